"""One request of a caller and its answer, as ASGI has them: what an application receives, and sends."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from proxy.gateway.answer_head import lines_of
from proxy.gateway.asgi import BODY_WHOLE, DONE, REQUEST_ID, START, TELLING, Message, Scope
from proxy.gateway.sse import MEDIA_TYPE

BODY_WAITING: Final = 256 * 2**10  # bytes of a body that nobody has received yet, at which the caller is made to wait
JOINED: Final = 64 * 2**10  # up to here one piece is written faster than two
NO_BODY: Final = frozenset({204, 304})
CLOSE: Final = (b"connection", b"close")

Headers = Sequence[tuple[bytes, bytes]]


class Caller(Protocol):
    """The connection that a request came on. `unread` is there while the caller does not read what we wrote."""

    transport: asyncio.Transport
    unread: asyncio.Event | None

    def write(self, data: bytes) -> None: ...

    def begin_head(self, status: int) -> bytes: ...


class Cycle:
    """Calling it sends. The head waits for what follows, and both go out as one: two would be two wake-ups there.

    is_whole: the request's body has come to its end
    is_gone: the caller has left
    keep_alive: the connection serves another request after this
    """

    __slots__ = (
        "_arrived",
        "_awaits_continue",
        "_caller",
        "_head",
        "_is_bodiless",
        "_is_chunked",
        "_is_held",
        "_parts",
        "_scope",
        "_waiting",
        "is_complete",
        "is_gone",
        "is_stream",
        "is_whole",
        "keep_alive",
        "status",
    )

    def __init__(self, caller: Caller, scope: Scope, keep_alive: bool, awaits_continue: bool) -> None:
        self._caller = caller
        self._scope = scope
        self._awaits_continue = awaits_continue
        self._parts: list[bytes] = []
        self._waiting = 0
        self._is_held = False
        self._arrived: asyncio.Event | None = None
        self._head = b""
        self._is_chunked = False
        self._is_bodiless = scope["method"] == "HEAD"
        self.status = 0
        self.is_stream = False
        self.is_complete = False
        self.is_whole = False
        self.is_gone = False
        self.keep_alive = keep_alive

    # The request's body

    def feed(self, data: bytes) -> None:
        """Bytes of the body."""
        if self.is_complete:
            return
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting > BODY_WAITING and not self._is_held:
            self._is_held = True
            self._caller.transport.pause_reading()
        if self._arrived is not None:
            self._arrived.set()

    def end(self) -> None:
        """The body has come to its end."""
        self.is_whole = True
        if self._is_held:  # a paused connection would not show that the caller leaves
            self._release()
        if self._arrived is not None:
            self._arrived.set()

    def fill(self, body: bytes) -> None:
        """All of the body, at the request's beginning."""
        self._parts.append(body)
        self._waiting = len(body)
        self.is_whole = True

    def leave(self) -> None:
        """The caller has left."""
        self.is_gone = True
        if self._arrived is not None:
            self._arrived.set()

    async def receive(self) -> Message:
        """ASGI's: what has come of the body since the last call."""
        self._scope.pop(BODY_WHOLE, None)  # who receives may hand on another body
        if self._awaits_continue:
            self._awaits_continue = False
            self._caller.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not (self._parts or self.is_whole or self.is_gone):
            await self._arrival()
        if self.is_gone:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._take(), "more_body": not self.is_whole}

    async def _arrival(self) -> None:
        self._arrived = asyncio.Event()
        await self._arrived.wait()
        self._arrived = None

    def _take(self) -> bytes:
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        self._waiting = 0
        if self._is_held:
            self._release()
        return body

    def _release(self) -> None:
        self._is_held = False
        self._caller.transport.resume_reading()

    # The answer

    def __call__(self, message: Message) -> Awaitable[None]:
        """ASGI's `send`. It waits while the caller does not read."""
        if self._caller.unread is not None:
            return self._send_later(message)
        self._send(message)
        return DONE

    async def _send_later(self, message: Message) -> None:
        while (unread := self._caller.unread) is not None:
            await unread.wait()
        self._send(message)

    def _send(self, message: Message) -> None:
        if self.is_gone:
            return
        if message["type"] != START:
            self._continue(message["body"], message.get("more_body", False))
        elif "body" in message:
            self.answer(message["status"], message["headers"], message["body"])
        else:
            self.status = status = message["status"]
            self.is_stream = message["headers"][0][1].startswith(MEDIA_TYPE)  # all our answers name it first
            self._head = self._make_head(status, message["headers"], self._frame(status, message["headers"]))

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """All of the answer, to a caller who reads."""
        self.status = status
        self.is_complete = True
        head = self._make_head(status, headers, b"content-length: %d\r\n" % len(body))
        if self._is_bodiless:
            self._caller.write(head)
        elif len(body) <= JOINED:
            self._caller.write(head + body)
        else:
            self._caller.write(head)
            self._caller.write(body)

    def _continue(self, data: bytes, more: bool) -> None:
        self.is_complete = not more
        if self._is_bodiless:
            data = b""
        elif self._is_chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            if not more:
                data += b"0\r\n\r\n"
        if self._head:
            data, self._head = self._head + data, b""
        if data:
            self._caller.write(data)

    def _make_head(self, status: int, headers: Headers, framing: bytes) -> bytes:
        scope = self._scope
        telling: Callable[[], bytes] | None = scope.get(TELLING)
        told = telling() if telling is not None else b""
        if CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            told += b"connection: close\r\n"
        begin, lines = self._caller.begin_head(status), lines_of(headers)
        return b"%b%b%bx-request-id: %b\r\n%b\r\n" % (begin, lines, framing, scope[REQUEST_ID], told)

    def _frame(self, status: int, headers: Headers) -> bytes:
        """How the end of an answer in pieces is told: to HTTP/1.0 by the end of the connection.

        What names its own length, a file's bytes, ends by that.
        """
        self._is_bodiless = self._is_bodiless or status in NO_BODY
        if self._is_bodiless or self._scope["http_version"] == "1.0" or has_length(headers):
            return b""
        self._is_chunked = True
        return b"transfer-encoding: chunked\r\n"


def has_length(headers: Headers) -> bool:
    return any(name == b"content-length" for name, _ in headers)
