"""Which of the workers runs the jobs: the first that serves, and when it is gone the next."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

M = TypeVar("M")


class Leadership(Generic[M]):
    """`appoint` tells a worker that it is the one. Nobody is asked whether they still are: only their end ends it."""

    def __init__(self, appoint: Callable[[M], None]) -> None:
        self._appoint = appoint
        self._leader: M | None = None
        self._changed = asyncio.Event()

    def serve(self, member: M) -> None:
        """A worker serves."""
        if self._leader is None:
            self._leader = member
            self._appoint(member)
            self._changed.set()

    def leave(self, member: M, others: Iterable[M]) -> None:
        """A worker is gone; the others serve."""
        if self._leader is not member:
            return
        self._leader = None
        self._changed.clear()
        for other in others:
            self.serve(other)

    async def get(self) -> M:
        """The one that runs the jobs, waited for."""
        while self._leader is None:
            await self._changed.wait()
        return self._leader
