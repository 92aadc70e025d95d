"""Comments on a stream that waits: so that nobody between here and the caller takes it for dead."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final

from proxy.gateway import sse
from proxy.gateway.asgi import BODY, START, Send

STREAM_HEADERS: Final = (
    (b"content-type", sse.MEDIA_TYPE),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class Heartbeat:
    """Opens a stream of events, at the first event or after `after` seconds of waiting, whichever is first.

    Until then a failure still has its status. From then on a comment goes out every `every` seconds until `stop`.
    """

    __slots__ = ("_after", "_every", "_progress", "_send", "_started", "_stopped", "_task", "_timer")

    def __init__(self, send: Send, after: float, every: float, progress: Callable[[], str]) -> None:
        self._send = send
        self._after = after
        self._every = every
        self._progress = progress
        self._started = False
        self._stopped = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Heartbeat":
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._after, self._begin)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._silence()

    @property
    def is_waiting(self) -> bool:
        """Whether the stream still waits for its first event."""
        return not self._stopped

    async def stop(self) -> None:
        """The first event is here: no more comments, and the stream is open."""
        self._stopped = True
        self._silence()
        await self._start()

    def _silence(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        await self._start()
        while True:
            await self._send({"type": BODY, "body": sse.comment(self._progress()), "more_body": True})
            await asyncio.sleep(self._every)

    async def _start(self) -> None:
        if not self._started:
            await self._send({"type": START, "status": 200, "headers": STREAM_HEADERS})
            self._started = True
