"""What is waited for of an answer, and who waits: a task, or a reader that needs none."""

import asyncio
from enum import IntEnum
from typing import Final, Protocol

from proxy.gateway.answer import Answer


class Until(IntEnum):
    """What is waited for."""

    HEAD = 0
    DATA = 1
    END = 2


HEAD: Final = Until.HEAD
DATA: Final = Until.DATA
END: Final = Until.END


class Reader(Protocol):
    """Is called when the answer is whole, or will never be."""

    def answered(self) -> None: ...


class Awaited:
    """One connection's. `bound`: bytes of a body past which its end is not waited for."""

    __slots__ = ("_reader", "_waiter", "bound", "until")

    def __init__(self) -> None:
        self.until = HEAD
        self.bound = 0
        self._waiter: asyncio.Future[None] | None = None
        self._reader: Reader | None = None

    def is_there(self, answer: Answer) -> bool:
        if answer.is_complete:
            return True
        if self.until is END:
            return answer.buffered > self.bound
        return answer.has_head if self.until is HEAD else bool(answer.chunks)

    def by_task(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """A task waits: for this future."""
        self._waiter = waiter = loop.create_future()
        return waiter

    def by_reader(self, bound: int, reader: Reader) -> None:
        """A reader waits for the end."""
        self.until, self.bound, self._reader = END, bound, reader

    def by_nobody(self) -> None:
        self._waiter = self._reader = None

    def wake(self) -> None:
        """It is there, or will never be."""
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.answered()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
