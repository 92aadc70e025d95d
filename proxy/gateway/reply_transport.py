"""The transport of one request's answer."""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class ReplyTransport:
    """What a request's answer is written to: its head waits for what follows, and both go out as one.

    Each write of its own would cost a system call here and a wake-up there. An empty write sends what waits.
    """

    __slots__ = ("_cycle", "_head", "_linger", "_transport")

    def __init__(self, transport: asyncio.Transport, cycle: RequestResponseCycle, linger: Callable[[], None]) -> None:
        self._transport = transport
        self._cycle = cycle
        self._linger = linger
        self._head: bytes | None = b""

    def write(self, data: bytes) -> None:
        if self._head is None:
            self._transport.write(data)
        elif not self._head and not data.startswith(b"HTTP/1.1 100"):
            self._head = data
        else:
            self._transport.write(self._head + data)
            self._head = None

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if self._head:
            self.write(b"")
        if self._cycle.more_body:
            self._linger()
        else:
            self._transport.close()
