"""State changes to whoever listens: one bounded queue per listener."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

MOST_PENDING = 1000
HEARTBEAT = b": heartbeat\n\n"


class Broadcast:
    """Never waits for a listener: one that falls behind is told so by `None` and has to begin anew."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[bytes | None]] = set()

    @contextmanager
    def listen(self) -> Iterator[asyncio.Queue[bytes | None]]:
        listener: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def next_of(self, listener: asyncio.Queue[bytes | None], heartbeat: float) -> bytes | None:
        """The next message; a comment where none came for `heartbeat` seconds; None at the end."""
        try:
            async with asyncio.timeout(heartbeat):  # `wait_for` can lose a cancellation: see `leases.py`
                return await listener.get()
        except TimeoutError:
            return HEARTBEAT

    def send(self, message: bytes) -> None:
        for listener in tuple(self._listeners):
            if listener.qsize() >= MOST_PENDING:
                self._listeners.discard(listener)
                listener.put_nowait(None)
            else:
                listener.put_nowait(message)

    def close(self) -> None:
        for listener in self._listeners:
            listener.put_nowait(None)
        self._listeners.clear()
