"""The requests of one model: those in flight, and those that wait, in the order in which they came."""

import asyncio
from typing import NamedTuple, Protocol

from contract.errors import ApiError
from proxy.gateway.upstream import Address


class Holder(Protocol):
    """A request under a lease."""

    def cut(self, reason: ApiError) -> None:
        """End the request: it gets the reason."""


class LeaseLoad(NamedTuple):
    """A lease's stage in one word, and the requests under it."""

    model: str
    stage: str
    in_flight: int
    waiting: int


class Roster:
    """Counts requests in and out. Nothing here awaits but `empty`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._in_flight: set[Holder] = set()
        self._waiting: dict[Holder, asyncio.Future[Address]] = {}
        self._emptied: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"{len(self._in_flight)} in flight, {len(self._waiting)} waiting"

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def is_empty(self) -> bool:
        return not self._in_flight and not self._waiting

    def enter(self, holder: Holder) -> None:
        """A request is in flight."""
        self._in_flight.add(holder)

    def queue(self, holder: Holder) -> asyncio.Future[Address]:
        """A request waits: for the address, or the reason why there is none."""
        future = self._waiting[holder] = self._loop.create_future()
        return future

    def leave(self, holder: Holder) -> None:
        """A request is gone, wherever it stood."""
        self._in_flight.discard(holder)
        self._waiting.pop(holder, None)
        if not self._in_flight and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def admit(self, address: Address) -> None:
        """All that wait are in flight from now on, even before they run."""
        waiting, self._waiting = self._waiting, {}
        for holder, future in waiting.items():
            if not future.done():
                self._in_flight.add(holder)
                future.set_result(address)

    def refuse(self, reason: ApiError) -> None:
        """All that wait get the reason."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(reason)
                future.exception()  # seen: whoever waited may be leaving at this very moment

    def cut(self, reason: ApiError) -> None:
        """All that are in flight get the reason."""
        for holder in tuple(self._in_flight):
            holder.cut(reason)

    async def empty(self) -> None:
        """Until nothing is in flight."""
        if self._in_flight:
            self._emptied = self._loop.create_future()
            await self._emptied
            self._emptied = None
