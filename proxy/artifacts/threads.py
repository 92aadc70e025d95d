"""The store's own threads: one that writes, and some that stage and read."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """Work given to a thread is done to its end, whatever becomes of its caller: who is cancelled waits for it.

    hands: those that stage and read
    """

    def __init__(self, hands: int) -> None:
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="artifacts-writer")
        self._waiting = 0
        self._hands = ThreadPoolExecutor(hands, thread_name_prefix="artifacts")

    async def write(self, work: Callable[[], T]) -> T:
        """In turn with all else that is written."""
        self._waiting += 1
        try:
            return await self._write(work)
        finally:
            self._waiting -= 1

    @property
    def writer_is_idle(self) -> bool:
        return not self._waiting

    async def _write(self, work: Callable[[], T]) -> T:
        return await _to_its_end(asyncio.get_running_loop().run_in_executor(self._writer, work))

    async def read(self, work: Callable[[], T]) -> T:
        """Beside others."""
        return await _to_its_end(asyncio.get_running_loop().run_in_executor(self._hands, work))

    def close(self) -> None:
        self._hands.shutdown()
        self._writer.shutdown()


async def _to_its_end(future: asyncio.Future[T]) -> T:
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((future,))
        raise
