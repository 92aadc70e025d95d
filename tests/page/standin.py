"""A stand-in for the proxy: the page's files and its API, with answers that a test gives."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

from tests.page.forms import read_form
from tests.page.streams import PATIENCE, Answer, Painting, Stream

STATIC = Path(__file__).parents[2] / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

AnyStream = TypeVar("AnyStream", bound=Stream)


class StandIn(ThreadingHTTPServer):
    """Its fields are what a test sets and reads; each request runs in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128  # a page asks for all of its files at once

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.models: list[dict[str, object]] = [model("smollm2", default_for=["text"])]
        self.key = ""
        self.serves_events = True
        self.dropped: dict[str, int] = {}  # files, and how often their request ends without an answer
        self.refusal: tuple[int, dict[str, object]] | None = None
        self.answers: queue.Queue[Answer] = queue.Queue()
        self.paintings: queue.Queue[Painting] = queue.Queue()
        self.event_streams: queue.Queue[Stream] = queue.Queue()
        self.open_streams: list[Stream] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def answer(self) -> Answer:
        """The next chat completion that the page asks for."""
        return self.answers.get(timeout=PATIENCE)

    def painting(self) -> Painting:
        """The next picture that the page asks for."""
        return self.paintings.get(timeout=PATIENCE)

    def events(self) -> Stream:
        """The next event stream that the page opens."""
        return self.event_streams.get(timeout=PATIENCE)

    def refuse(self, status: int, message: str, code: str, origin: str) -> None:
        """From now on chat is answered with this error."""
        self.refusal = (status, {"error": {"message": message, "type": "x", "code": code, "origin": origin}})

    def close(self) -> None:
        """Stops listening and cuts what is open, like a proxy that dies."""
        self.shutdown()
        self.server_close()
        for stream in self.open_streams:
            if not stream.closed.is_set():
                stream.cut()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/" or path.startswith("/static/"):
            self._file("index.html" if path == "/" else path.removeprefix("/static/"))
        elif self._is_allowed() and path == "/v1/models":
            self._json(HTTPStatus.OK, {"object": "list", "data": [listed(entry) for entry in self.server.models]})
        elif path == "/admin/events" and self._is_allowed() and self.server.serves_events:
            self._events()
        elif path == "/admin/events":
            self._json(HTTPStatus.FORBIDDEN, {"error": {"message": "This key is not an admin's."}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self._is_allowed():
            return
        if self.server.refusal:
            self._json(*self.server.refusal)
        elif self.path.startswith("/v1/images/"):
            self._stream(Painting(self, *self._fields(body)), self.server.paintings)
        else:
            self._stream(Answer(self, json.loads(body)), self.server.answers)

    def _fields(self, body: bytes) -> tuple[dict[str, object], list[tuple[str, bytes]]]:
        kind = self.headers["content-type"]
        return (json.loads(body), []) if kind == "application/json" else read_form(kind, body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: a test reads what the server kept, not what it printed."""

    def _is_allowed(self) -> bool:
        if not self.server.key or self.headers["authorization"] == f"Bearer {self.server.key}":
            return True
        error = {"message": "Send an API key.", "type": "authentication_error", "code": "invalid_api_key"}
        self._json(HTTPStatus.UNAUTHORIZED, {"error": error})
        return False

    def _events(self) -> None:
        stream = Stream(self)
        first = {"models": self.server.models}
        self._stream(stream, self.server.event_streams, f"event: models\ndata: {json.dumps(first)}\n\n".encode())

    def _stream(self, stream: AnyStream, waiting: queue.Queue[AnyStream], first: bytes = b"") -> None:
        self._head(HTTPStatus.OK, "text/event-stream", {"transfer-encoding": "chunked"})
        if first:
            stream.send(first)
        self.server.open_streams.append(stream)
        waiting.put(stream)
        stream.watch()

    def _file(self, name: str) -> None:
        if self.server.dropped.get(name, 0) > 0:
            self.server.dropped[name] -= 1
            self.close_connection = True
            return
        path = STATIC / name
        body = path.read_bytes()
        kind = MEDIA_TYPES[path.suffix]
        self._head(HTTPStatus.OK, kind, {"content-security-policy": POLICY, "content-length": str(len(body))})
        self.wfile.write(body)

    def _json(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self._head(status, "application/json", {"content-length": str(len(body))})
        self.wfile.write(body)

    def _head(self, status: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def model(name: str, state: str = "ready", **fields: object) -> dict[str, object]:
    """A model's status as the manager tells it."""
    return {"name": name, "type": ["text"], "engine": "vllm", "container": name, "state": state, **fields}


def listed(status: dict[str, object]) -> dict[str, object]:
    """The same model as `/v1/models` lists it."""
    return {"id": status["name"], "object": "model", "created": 0, "owned_by": "roundhouse", **status}


@contextmanager
def running(port: int = 0) -> Iterator[StandIn]:
    """A stand-in that serves until the block ends."""
    server = StandIn(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
