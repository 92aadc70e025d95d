"""One caller's connection, as uvicorn's server holds it.

uvicorn's own protocol takes heads of any size, waits for ever, and keeps working for the gone. Here:

- what is no request within its bounds gets an error in the OpenAI shape, and its connection is closed
- a body that stops coming has its request's task cancelled with BODY_LATE
- a caller that leaves has its request's task cancelled with CLIENT_LEFT, in whatever it waits for
- a caller that does not read is cut off after `write` seconds
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from contract.errors import ApiError
from proxy.gateway.asgi import BODY_LATE, BODY_WHOLE, CLIENT_LEFT, Scope
from proxy.gateway.callers import Application, Callers, Going, Rest
from proxy.gateway.cycle import Cycle
from proxy.gateway.deadline import Deadline
from proxy.gateway.phase import BODY, IDLE, OVER, WHOLE
from proxy.gateway.request_reader import RequestReader

LINGER_SECONDS: Final = 2.0
PIPELINE: Final = 16  # requests before their turn at which no more are read


class CallerProtocol(RequestReader):
    """The server makes it, counts its tasks, and asks it to `shutdown`."""

    def __init__(
        self,
        callers: Callers,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._loop = _loop or asyncio.get_running_loop()
        super().__init__(self._loop, callers.limits, callers.heads)
        self._render = callers.render
        self._lines = callers.lines
        self._outbox = callers.outbox
        self._fast_path = callers.fast_path
        self._app: Application = config.loaded_app
        self._keep_alive = config.timeout_keep_alive
        self._server = server_state
        self._write_deadline = Deadline(self._loop, self._abort)
        self.unread: asyncio.Event | None = None
        self._answering: Cycle | None = None
        self._going: Going | None = None  # which answers it
        self._queue: deque[tuple[Cycle, Scope]] = deque()
        self._is_held = False  # no more is read: the queue is long

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.connections.add(self)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._server.connections.discard(self)
        self._write_deadline.close()
        self._queue.clear()
        self.resume_writing()
        if self._answering is not None:
            self._answering.leave()
            self._cancel(CLIENT_LEFT)

    def shutdown(self) -> None:
        """The server stops: what is being answered is the last."""
        self._queue.clear()
        if self._answering is None:
            self._close()
        else:
            self._answering.keep_alive = False

    # What the caller sends

    def begin(self, scope: Scope, keep_alive: bool, awaits_continue: bool, body: bytes | None = None) -> Cycle:
        cycle = Cycle(self, scope, keep_alive, awaits_continue)
        if body is not None:
            cycle.fill(body)
        if self._answering is None:
            self._answer(cycle, scope)
        else:
            self._queue.append((cycle, scope))
            if len(self._queue) > PIPELINE:
                self._is_held = True
                self.transport.pause_reading()
        return cycle

    def late(self) -> None:
        if self._phase is not BODY:
            self._abort()
        elif self._request is self._answering:
            self._cancel(BODY_LATE)
        else:  # it is not its turn yet
            self._read_deadline.set(self.limits.body)

    def refuse(self, error: ApiError) -> None:
        if self.transport.is_closing():
            return
        if self._answering is None:
            self._say_last(error)
            return
        # They are the body of the request that is being answered, or follow it: it ends, too.
        self._answering.leave()
        self._cancel(CLIENT_LEFT)
        if self._answering.status:
            self._phase = OVER
            self._close()
        else:
            self._say_last(error)

    def _say_last(self, error: ApiError) -> None:
        self.write(self._render(error, self._url))
        self._linger()

    def _linger(self) -> None:
        """Close once the caller has had time to read: with its bytes unread, closing would destroy our answer."""
        self._phase = OVER
        self._queue.clear()
        self._outbox.flush()
        self.transport.resume_reading()
        self.transport.write_eof()
        self._read_deadline.set(LINGER_SECONDS)

    def _close(self) -> None:
        self._outbox.flush()
        self.transport.close()

    def _abort(self) -> None:
        self.transport.abort()

    # What it is answered

    def begin_head(self, status: int) -> bytes:
        """The first lines of an answer."""
        return self._lines.begin(status, self._server.default_headers)

    def _answer(self, cycle: Cycle, scope: Scope) -> None:
        self._answering = cycle
        body = scope.get(BODY_WHOLE)
        flight = None
        if body is not None and self.unread is None:
            flight = self._fast_path(scope, cycle, body, self._landed)
        if flight is None:
            self._run(self._app(scope, cycle.receive, cycle))
        else:
            self._go(flight)

    def _run(self, answering: Rest) -> None:
        task = self._loop.create_task(answering)
        task.add_done_callback(self._ended)
        self._go(task)

    def _go(self, going: Going) -> None:
        self._going = going
        self._server.tasks.add(going)  # type: ignore[arg-type]  # which it may cancel

    def _cancel(self, why: str) -> None:
        if self._going is not None:
            self._going.cancel(why)

    def _landed(self, rest: Rest | None) -> None:
        """The fast path has answered, or leaves the rest to a task."""
        if rest is None:
            self._ended()
        else:
            self._server.tasks.discard(self._going)
            self._run(rest)

    def _ended(self, _task: object = None) -> None:
        """A request has its answer, or what there will be of one."""
        self._server.tasks.discard(self._going)
        self._going = None
        self._server.total_requests += 1
        cycle, self._answering = self._answering, None
        if cycle is None or cycle.is_gone or self._phase is OVER:
            return
        if not cycle.is_whole:  # what is unread of its body must not be taken for the next
            self._linger()
        elif not (cycle.is_complete and cycle.keep_alive):
            self._close()
        elif self._queue:
            if self._is_held:
                self._is_held = False
                self.transport.resume_reading()
            self._answer(*self._queue.popleft())
        elif self._phase is WHOLE:
            self._phase = IDLE
            self._read_deadline.set(self._keep_alive)

    def write(self, data: bytes) -> None:
        """To the caller, at the end of the loop's turn."""
        self._outbox.add(self._write, data)

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.unread = asyncio.Event()
        self._write_deadline.set(self.limits.write)

    def resume_writing(self) -> None:
        self._write_deadline.clear()
        if self.unread is not None:
            self.unread.set()
            self.unread = None


def protocol_of(callers: Callers) -> Callable[..., CallerProtocol]:
    """What uvicorn makes its connections with."""
    return partial(CallerProtocol, callers)
