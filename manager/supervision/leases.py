"""One lease: an open stream from a proxy worker that uses a model, or waits for it."""

import asyncio

from contract.lease import Drain, Failed, LeaseEvent, Ready


class Lease:
    """Owned by the supervisor; the stream's handler only reads `next_event`.

    `peer` is the host name of the worker that holds it; `trace` is the W3C trace context that it was opened in.
    """

    def __init__(self, model: str, peer: str | None, trace: str | None = None) -> None:
        self.model = model
        self.peer = peer
        self.trace = trace
        self.opened_at = 0.0
        self._events: asyncio.Queue[LeaseEvent] = asyncio.Queue()
        self._last: LeaseEvent | None = None

    def __repr__(self) -> str:
        return f"<Lease of {self.model} by {self.peer or 'somebody'}: {self._last.event if self._last else 'new'}>"

    @property
    def is_ready(self) -> bool:
        """Whether its worker was told an endpoint and nothing since."""
        return isinstance(self._last, Ready)

    @property
    def holds(self) -> bool:
        """Whether its worker may have requests in flight."""
        return isinstance(self._last, Ready | Drain)

    def tell(self, event: LeaseEvent) -> None:
        """Queues an event for the worker; the same one twice is told once."""
        if event != self._last and not isinstance(self._last, Failed):
            self._last = event
            self._events.put_nowait(event)

    async def next_event(self, timeout: float) -> LeaseEvent | None:
        """The next event, or None where none came within `timeout` seconds."""
        try:
            # Not `wait_for`: in Python 3.11 it loses a cancellation that comes at the moment of an event, and the
            # lease of a reader who left would stay open for ever.
            async with asyncio.timeout(timeout):
                return await self._events.get()
        except TimeoutError:
            return None
