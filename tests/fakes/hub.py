"""A small hub on loopback: one repository, with the part of the hub's HTTP interface that its client asks for."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "org/tiny"


class FakeHub(ThreadingHTTPServer):
    """`cuts` answers with files end after `cut_after` bytes each, as lost connections do."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.cut_after = 0
        self.cuts = 0
        self.ranges: list[str | None] = []
        self.tokens: set[str | None] = set()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._file(with_body=False)

    def do_GET(self) -> None:
        self.server.tokens.add(self.headers["authorization"])
        if self.path.startswith(f"/api/models/{REPOSITORY}/tree/"):
            self._tree()
        elif self.path.startswith(f"/api/models/{REPOSITORY}"):
            self._info()
        elif self.path.startswith("/api/"):
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        else:
            self._file(with_body=True)

    def _tree(self) -> None:
        entries = [
            {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha256(data).hexdigest()}
            for name, data in self.server.files.items()
        ]
        self._send(200, json.dumps(entries).encode(), {"content-type": "application/json"})

    def _info(self) -> None:
        siblings = [{"rfilename": name, "size": len(data)} for name, data in self.server.files.items()]
        document = {"id": REPOSITORY, "sha": COMMIT, "siblings": siblings, "private": False, "downloads": 0, "tags": []}
        self._send(200, json.dumps(document).encode(), {"content-type": "application/json"})

    def _file(self, *, with_body: bool) -> None:
        data = self.server.files[self.path.partition("/resolve/")[2].partition("/")[2]]
        etag = hashlib.sha256(data).hexdigest()
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        start = 0
        if with_body:
            asked = self.headers["range"]
            self.server.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(206 if start else 200, data[start:], headers, with_body=with_body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not with_body:
            return
        if self.server.cuts and len(body) > self.server.cut_after:
            self.server.cuts -= 1
            self.wfile.write(body[: self.server.cut_after])
            self.close_connection = True
            return
        self.wfile.write(body)


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
