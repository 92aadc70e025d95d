"""One answer of the stand-in server that a test writes piece by piece."""

import base64
import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

END = b"0\r\n\r\n"  # of a chunked body
PATIENCE = 10.0  # seconds that a test waits for the page's side of a stream


class Stream:
    """An open event stream: the test's thread writes, the server's thread watches for the client's close."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._socket = handler.connection
        self.headers = dict(handler.headers.items())
        self.closed = threading.Event()

    def send(self, data: bytes, end: bytes = b"") -> None:
        """One chunk as it is, wherever it is cut. With `END` it is the last one."""
        self._socket.sendall(b"%x\r\n%s\r\n" % (len(data), data) + end)

    def event(self, data: object, name: str = "", end: bytes = b"") -> None:
        head = f"event: {name}\n" if name else ""
        self.send(f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode(), end)

    def comment(self, text: str) -> None:
        self.send(f": {text}\n\n".encode())

    def cut(self) -> None:
        """The connection's end, in the middle of the stream if it has not ended."""
        with suppress(OSError):  # the client was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def watch(self) -> None:
        """Returns when the client has closed, or the test has cut."""
        with suppress(ConnectionResetError):
            while self._socket.recv(4096):
                pass
        self.closed.set()

    def was_closed(self) -> bool:
        """Whether the client closes within a test's patience."""
        return self.closed.wait(PATIENCE)


class Answer(Stream):
    """A chat completion that a test streams token by token. `request` is the body that the page sent."""

    def __init__(self, handler: BaseHTTPRequestHandler, request: dict[str, object]) -> None:
        super().__init__(handler)
        self.request = request

    def say(self, text: object) -> None:
        self.event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})

    def fail(self, message: str, code: str, origin: str) -> None:
        """An error event, and the end without `[DONE]`."""
        self.event({"error": {"message": message, "type": "server_error", "code": code, "origin": origin}}, end=END)

    def finish(self, tokens: int = 3, reason: str = "stop") -> None:
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        self.event({"choices": [], "usage": {"completion_tokens": tokens}})
        self.send(b"data: [DONE]\n\n", END)


class Painting(Stream):
    """A picture that a test makes step by step. `request` holds the fields that the page sent, `files` its pictures."""

    def __init__(
        self, handler: BaseHTTPRequestHandler, request: dict[str, object], files: list[tuple[str, bytes]]
    ) -> None:
        super().__init__(handler)
        self.path = handler.path
        self.request = request
        self.files = files
        self._kind = "image_generation" if self.path.endswith("/generations") else "image_edit"

    def step(self, step: int, steps: int) -> None:
        self._tell("progress", step=step, steps=steps)

    def preview(self, picture: bytes, index: int = 0, size: str = "64x64") -> None:
        self._tell("partial_image", b64_json=_base64(picture), partial_image_index=index, size=size)

    def complete(self, picture: bytes, size: str = "64x64", **fields: object) -> None:
        """The picture, and the stream's end."""
        self._tell("completed", b64_json=_base64(picture), size=size, output_format="png", **fields)
        self.send(b"data: [DONE]\n\n", END)

    def fail(self, message: str, code: str, origin: str) -> None:
        """An error event, and the end."""
        self.event({"error": {"message": message, "type": "server_error", "code": code, "origin": origin}}, end=END)

    def _tell(self, stage: str, **fields: object) -> None:
        kind = f"{self._kind}.{stage}"
        self.event({"type": kind, **fields}, kind)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
