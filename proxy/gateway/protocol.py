"""uvicorn's HTTP/1.1 protocol, bounded: it takes heads of any size, waits for ever, and keeps working for the gone.

- a head within `head` seconds, `head_size` bytes, `header_count` headers and a URL of `url_size` bytes, or an error
  in the OpenAI shape and the connection closed
- a body that stops coming for `body` seconds has its request's task cancelled, too, with another message
- a caller that leaves has its request's task cancelled, in whatever it waits for
- a caller that does not read is cut off after `write` seconds
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from contract.errors import ApiError
from proxy.gateway import protocol_errors
from proxy.gateway.asgi import BODY_LATE, CLIENT_LEFT, App
from proxy.gateway.deadline import Deadline
from proxy.gateway.limits import ConnectionLimits
from proxy.gateway.reply_transport import ReplyTransport

LINGER_SECONDS = 2.0


class HeadRefused(Exception):
    """Raised into the parser, which stops there."""


class BoundedProtocol(HttpToolsProtocol):
    """One caller's connection. `bounded` gives the class its limits."""

    limits = ConnectionLimits()
    render: Callable[[ApiError], bytes]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._running: asyncio.Task[None] | None = None
        self._refusal: ApiError | None = None
        self._read_deadline = Deadline(self.loop, self._late)
        self._write_deadline = Deadline(self.loop, transport.abort)
        self._begun = False
        self._lingering = False
        self._in_head = True
        self._head_seen = 0
        self._fed = 0
        self._read_deadline.set(self.limits.head)
        self._head_is_timed = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._read_deadline.close()
        self._write_deadline.close()
        super().connection_lost(exc)
        if self._running is not None and not self._running.done():
            self._running.cancel(CLIENT_LEFT)

    # The head's bounds

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        self._begun = True
        self._fed = len(data)
        if self._in_head:
            self._head_seen += self._fed
        super().data_received(data)
        if self._in_head:
            self._bound_head()
        elif self.cycle is not None and not self._lingering:
            self._bound_rest(self.cycle)

    def _bound_rest(self, cycle: RequestResponseCycle) -> None:
        if cycle.more_body:
            self._read_deadline.set(self.limits.body)
        elif cycle.response_complete:  # line ends between requests, which are none
            self._read_deadline.set(self.limits.head)

    def _bound_head(self) -> None:
        """The head is not whole with these bytes: most come in one piece and need no deadline."""
        if self._head_seen > self.limits.head_size:
            self._refusal = self._refusal or protocol_errors.head_too_large(self.limits)
            self.send_400_response("")
        elif not self._head_is_timed:
            self._head_is_timed = True
            self._read_deadline.set(self.limits.head)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_seen = self._fed

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.limits.url_size:
            self._refuse(protocol_errors.url_too_long(self.limits))

    def on_header(self, name: bytes, value: bytes) -> None:
        # As uvicorn's, which is not called: this runs for every header of every request.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
        if len(self.headers) > self.limits.header_count:
            self._refuse(protocol_errors.head_too_large(self.limits))

    def on_headers_complete(self) -> None:
        if self._head_seen > self.limits.head_size and _size_of(self.headers) > self.limits.head_size:
            self._refuse(protocol_errors.head_too_large(self.limits))
        self._in_head = False
        self._head_is_timed = False
        self._read_deadline.clear()
        super().on_headers_complete()
        cycle = self.cycle
        cycle.on_response = partial(self._answered, cycle)
        if cycle.scope["method"] != "HEAD":  # whose head nothing follows
            cycle.transport = ReplyTransport(self.transport, cycle, self.linger)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._read_deadline.clear()
        self.flow.resume_reading()  # a paused connection would not show that the caller leaves

    def _refuse(self, error: ApiError) -> None:
        self._refusal = error
        raise HeadRefused

    def _late(self) -> None:
        if self._lingering or not self._begun:
            self.transport.abort()
        elif self._in_head:
            self._refusal = protocol_errors.head_late(self.limits)
            self.send_400_response("")
        elif self._running is not None and not self._running.done():
            self._running.cancel(BODY_LATE)
        else:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for a request that its parser refuses: ours has the OpenAI shape, and every reason."""
        error = self._refusal or protocol_errors.not_http()
        if self._lingering or self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._cut_short(self.cycle, error)
            return
        self.transport.write(type(self).render(error))
        self.linger()

    def _cut_short(self, cycle: RequestResponseCycle, error: ApiError) -> None:
        """The body of a request that is being answered stopped being HTTP."""
        if not cycle.response_started:
            self.transport.write(type(self).render(error))
        cycle.disconnected = True
        self.transport.close()

    def _answered(self, cycle: RequestResponseCycle) -> None:
        """A request has its answer: what is unread of its body must not be taken for the next."""
        if self._lingering or self.transport.is_closing():
            return
        if cycle.more_body:
            self.linger()
        else:
            self.on_response_complete()

    def linger(self) -> None:
        """Close once the caller has had time to read: with its bytes unread, closing would destroy our answer."""
        self._in_head = False
        self._lingering = True
        self.flow.resume_reading()
        self.transport.write_eof()
        self._read_deadline.set(LINGER_SECONDS)

    # The request's task, and a caller that does not read

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: App) -> None:  # type: ignore[override]
        self._running = task = self.loop.create_task(cycle.run_asgi(app))  # type: ignore[arg-type]
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline.set(self.limits.write)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_deadline.clear()


def bounded(limits: ConnectionLimits, render: Callable[[ApiError], bytes]) -> type[BoundedProtocol]:
    """The protocol class for uvicorn. `render` makes a whole answer of an error, status line and all."""
    namespace: dict[str, Any] = {"limits": limits, "render": staticmethod(render)}
    return type("Bounded", (BoundedProtocol,), namespace)


def _size_of(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)
