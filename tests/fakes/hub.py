"""A small hub on loopback: one repository, with the part of the hub's HTTP interface that its client asks for."""

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "org/tiny"


class FakeHub(ThreadingHTTPServer):
    """`cuts` answers with files end after `cut_after` bytes each, as lost connections do.

    `refusals`: statuses that the next requests for a file get; for "" those for the listing. `damage` is sent in place
    of files. Safetensors are kept as large files are (LFS), with a SHA-256; others have git's hash of their content.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.commit = COMMIT
        self.damage: dict[str, list[bytes]] = {}  # what is sent in place of a file, the first times
        self.told_sizes: dict[str, int] = {}
        self.redirect_to: str | None = None  # another hub, which sends the files
        self.cut_after = 0
        self.cuts = 0
        self.refusals: dict[str, list[int]] = {}
        self.ranges: list[str | None] = []
        self.requests: list[str] = []
        self.tokens: set[str | None] = set()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Clients that go away in the middle of a file are what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.server.tokens.add(self.headers["authorization"])
        self.server.requests.append(self.path)
        name = unquote(self.path).partition("/resolve/")[2].partition("/")[2]
        if self.server.refusals.get(name):
            self._send(self.server.refusals[name].pop(0), b"{}", {"Retry-After": "0"})
        elif self.path.startswith(f"/api/models/{REPOSITORY}"):
            self._info()
        elif self.path.startswith("/api/"):
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif self.server.redirect_to is not None:
            self._send(302, b"", {"Location": self.server.redirect_to + self.path})
        else:
            self._file(name)

    def _info(self) -> None:
        siblings = [
            {"rfilename": name, "size": len(data), "blobId": git_hash(data), "lfs": self._lfs(name, data)}
            for name, data in self.server.files.items()
        ]
        document = {
            "id": REPOSITORY,
            "sha": self.server.commit,
            "siblings": siblings,
            "private": False,
            "downloads": 0,
            "tags": [],
        }
        self._send(200, json.dumps(document).encode(), {"content-type": "application/json"})

    def _lfs(self, name: str, data: bytes) -> dict[str, object] | None:
        if not name.endswith(".safetensors"):
            return None
        size = self.server.told_sizes.get(name, len(data))
        return {"sha256": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 134}

    def _file(self, name: str) -> None:
        if name not in self.server.files:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = self.server.files[name]
        if self.server.damage.get(name):
            data = self.server.damage[name].pop(0)
        asked = self.headers["range"]
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        headers = {"Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(206 if start else 200, data[start:], headers, is_file=True)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, is_file: bool = False) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if is_file and self.server.cuts and len(body) > self.server.cut_after:
            self.server.cuts -= 1
            self.wfile.write(body[: self.server.cut_after])
            self.close_connection = True
            return
        self.wfile.write(body)


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def fake_hub(files: dict[str, bytes]) -> Iterator[FakeHub]:
    hub = FakeHub(files)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
