"""A Docker socket that misbehaves: everything goes to the real Engine, but for what a test wants to go wrong.

Faults are chosen by the request's first line. Each connection carries one request.
"""

import re
import socket
import socketserver
import threading
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

ENGINE = "/var/run/docker.sock"


class Fault(Enum):
    """What becomes of a request."""

    HANG = auto()  # no answer until the relay is healed
    LOSE_REPLY = auto()  # the Engine does what it is asked, and nobody hears of it
    LAST_WORDS = auto()  # the same, and every later request fails
    ERROR = auto()
    GARBAGE = auto()
    PAGE = auto()
    HALF = auto()
    NONSENSE = auto()


ANSWERS = {
    Fault.ERROR: b'HTTP/1.1 500 Internal Server Error\r\ncontent-length: 21\r\n\r\n{"message":"it fell"}',
    Fault.GARBAGE: b"\x00\xff and not HTTP at all\r\n\r\n",
    Fault.PAGE: b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>",
    Fault.HALF: b'HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{"State": {"Runn',
    Fault.NONSENSE: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
}


class DockerRelay:
    """Listens at `file` until `close`; `address` is what a client takes for the Engine."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._faults: dict[str, Fault] = {}
        self._going_on = threading.Event()
        self._server: _Server | None = None
        self.come_back()

    @property
    def address(self) -> str:
        return f"unix://{self.file}"

    def fault(self, pattern: str, fault: Fault) -> None:
        """From now on, what becomes of requests whose first line matches."""
        self._faults[pattern] = fault

    def heal(self) -> None:
        """No more faults; what hung is cut."""
        self._faults.clear()
        self._going_on.set()
        self._going_on = threading.Event()

    def go_away(self) -> None:
        """Nobody listens any more, and open connections are cut."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            self.file.unlink()
        self.heal()

    def come_back(self) -> None:
        self._server = _Server(str(self.file), _Handler)
        self._server.relay = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, request: bytes) -> bytes | None:
        """The answer instead of the Engine's, or None where the request is passed on."""
        line = request.partition(b"\r\n")[0].decode()
        fault = next((fault for pattern, fault in self._faults.items() if re.search(pattern, line)), None)
        if fault is Fault.HANG:
            self._going_on.wait()
        elif fault in {Fault.LOSE_REPLY, Fault.LAST_WORDS}:
            with _ask(request) as engine:
                engine.recv(1)
        if fault is Fault.LAST_WORDS:
            self.fault("", Fault.ERROR)
        return ANSWERS.get(fault, b"") if fault is not None else None


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    relay: DockerRelay


class _Handler(socketserver.BaseRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        asked = _read_request(self.request)
        if not asked:
            return
        answer = self.server.relay.answer(asked)
        with suppress(OSError):  # whoever asked may have left
            if answer is not None:
                self.request.sendall(answer)
                return
            with _ask(asked) as engine:
                while chunk := engine.recv(65536):
                    self.request.sendall(chunk)


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    length = re.search(rb"content-length: (\d+)", data, re.IGNORECASE)
    end = data.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    while len(data) < end:
        data += connection.recv(65536)
    return data


def _ask(request: bytes) -> socket.socket:
    """The Engine's end of a connection on which the request has been sent, for one answer."""
    line, _, rest = request.partition(b"\r\n")
    engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    engine.connect(ENGINE)
    rest = re.sub(rb"(?i)connection: keep-alive\r\n", b"", rest, count=1)
    engine.sendall(line + b"\r\nconnection: close\r\n" + rest)
    return engine
