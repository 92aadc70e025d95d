"""One connection to an upstream server: a request out, an answer in, then the next."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from proxy.gateway.answer import Answer, AnswerHeads
from proxy.gateway.asgi import DONE
from proxy.gateway.awaited import DATA, END, HEAD, Awaited, Reader, Until
from proxy.gateway.deadline import Deadline
from proxy.gateway.outbox import Outbox
from proxy.gateway.unacknowledged import unacknowledged
from proxy.gateway.upstream_errors import AnswerInvalid, AnswerLost, AnswerTimeout, NotSent, UpstreamError

JSON: Final = b"application/json"
JOINED: Final = 64 * 2**10  # bytes of a body up to which one write is faster than two
BUFFER_LIMIT: Final = 256 * 2**10  # unread bytes of an answer at which the server is made to wait


class Connection(asyncio.Protocol):
    """Sends one request at a time. Of its answer: `status`, `headers`, and the body by `read` or `read_all`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lost: Callable[["Connection"], None],
        heads: AnswerHeads,
        outbox: Outbox,
    ) -> None:
        self._loop = loop
        self._outbox = outbox
        self._lost = lost
        self._deadline = Deadline(loop, self._expired)
        self._answer = Answer(heads)
        self._answer.is_complete = True
        self._awaited = Awaited()
        self._error: UpstreamError | None = None
        self._transport: asyncio.Transport
        self._exchanges = 0
        self._sent = 0
        self._is_unsent = False  # the request is not written yet
        self._paused = False

    def __repr__(self) -> str:
        state = "closed" if not self.is_open else "idle" if self._answer.is_complete else "waiting for the answer"
        return f"<Connection {state}, exchange {self._exchanges}>"

    # The exchange

    def start(self, head: bytes, body: bytes) -> None:
        """Send a request."""
        self._answer.reset()
        self._exchanges += 1
        self._sent = len(head) + len(body)
        self._is_unsent = True
        if len(body) <= JOINED:
            self._outbox.add(self._send, head + body)
        else:
            self._outbox.add(self._send, head)
            self._outbox.add(self._send, body)

    def ask(self, head: bytes, body: bytes, seconds: float, bound: int, reader: Reader) -> None:
        """Send a request, and have its reader called when `whole` has an answer to give, or something to raise."""
        self.start(head, body)
        self._awaited.by_reader(bound, reader)
        self._deadline.set(seconds)

    def let_go(self) -> None:
        """Nobody waits for the answer any more."""
        self._awaited.by_nobody()

    def _send(self, data: bytes) -> None:
        self._is_unsent = False
        if not self._transport.is_closing():
            self._transport.write(data)

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        return self._answer.headers

    @property
    def content_type(self) -> bytes:
        """The media type of the answer, lower case, without parameters."""
        value = self._answer.headers.get(b"content-type", b"")
        if value == JSON:
            return value
        return value.partition(b";")[0].strip().lower()

    async def head(self, seconds: float | None) -> None:
        """Wait until the status is known. Raises UpstreamError."""
        await self._wait(HEAD, seconds)
        self._require(HEAD)

    async def read(self, seconds: float | None) -> bytes:
        """The next chunk of the body, at least a byte; b"" at its end. Raises UpstreamError."""
        await self._wait(DATA, seconds)
        self._require(DATA)
        data = self._answer.take_next()
        if self._paused:
            self._resume()
        return data

    async def read_all(self, seconds: float, bound: int) -> bytes:
        """The whole body, `bound` bytes at most. Raises UpstreamError."""
        self._awaited.bound = bound
        if self._paused:
            self._resume()
        if not self._answer.is_complete:
            await self._wait(END, seconds)
        return self.whole()

    def whole(self) -> bytes:
        """The whole body, which is there or will never be. Raises UpstreamError."""
        self._require(END)
        answer = self._answer
        if answer.buffered > self._awaited.bound:
            raise AnswerInvalid(f"the answer is larger than {self._awaited.bound} bytes")
        return answer.take()

    def _wait(self, until: Until, seconds: float | None) -> Awaitable[None]:
        """Until it is there, or will never be: see `_require`."""
        self._awaited.until = until
        if self._awaited.is_there(self._answer) or self._error is not None:
            return DONE
        if seconds is not None:
            self._deadline.set(seconds)
        return self._awaited.by_task(self._loop)

    def _require(self, until: Until) -> None:
        """The end of a wait. Raises what ended it."""
        self._awaited.by_nobody()
        self._awaited.until = until
        self._deadline.clear()
        if self._error is not None and not self._awaited.is_there(self._answer):
            raise self._error

    def _resume(self) -> None:
        self._paused = False
        self._transport.resume_reading()

    def _wake(self) -> None:
        if self._error is not None or self._awaited.is_there(self._answer):
            self._awaited.wake()

    def _fail(self, error: UpstreamError) -> None:
        if not self._answer.is_complete and self._error is None:
            self._error = error
            self._wake()

    # Between exchanges

    @property
    def is_open(self) -> bool:
        return self._error is None and not self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        return self._answer.is_complete and self._answer.keep_alive and self.is_open

    def rest(self, seconds: float) -> None:
        """Wait for the next exchange, `seconds` at most."""
        self._deadline.set(seconds)

    def abort(self) -> None:
        self._deadline.close()
        self._transport.abort()

    def set_option(self, level: int, option: int, value: int) -> None:
        """`setsockopt` of the connection's socket."""
        self._transport.get_extra_info("socket").setsockopt(level, option, value)

    def _expired(self) -> None:
        if self._answer.is_complete:
            self.abort()
        else:
            self._fail(AnswerTimeout("the server was silent past the deadline"))

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, which is no subclass

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer.is_complete:
            self.abort()  # nobody asked: whatever it is, it must not become the next request's answer
            return
        try:
            answer.feed(data)
        except AnswerInvalid as error:
            self._fail(error)
        if answer.buffered > BUFFER_LIMIT and self._awaited.until is not END and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.close()
        self._lost(self)
        if self._answer.ends_with_the_connection and exc is None:
            self._answer.is_complete = True
            self._wake()
        elif self._is_unread():
            self._fail(NotSent("the server had closed the connection"))
        else:
            self._fail(AnswerLost(f"the connection ended: {exc or 'closed by the server'}"))

    def _is_unread(self) -> bool:
        """Whether the server can have read nothing: nothing written, or on a reused connection nothing acknowledged."""
        if self._is_unsent:
            return True
        unread = self._exchanges > 1 and not self._answer.is_begun
        return unread and unacknowledged(self._transport) >= self._sent
