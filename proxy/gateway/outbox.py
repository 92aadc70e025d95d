"""Writes of one turn of the event loop, made together at its end.

To write to somebody who waits is to wake them, which takes the kernel longer than the write itself. Made one after the
other, the writes of a turn wake each receiver once: while it works on the first, the others are already there.
"""

import asyncio
from collections.abc import Callable
from typing import Final

SMALL: Final = 16 * 2**10  # bytes; what is larger takes longer than waking somebody, and is not to pile up here
MOST: Final = 64  # writes that gather: who never lets the loop go on is to feel that nobody reads

Write = Callable[[bytes], None]


class Outbox:
    """One loop's. Who closes a connection, or writes to it in another way, must `flush` before."""

    __slots__ = ("_writes",)

    def __init__(self) -> None:
        self._writes: list[tuple[Write, bytes]] = []

    def add(self, write: Write, data: bytes) -> None:
        """Have `write` called with the data, soon and in the order of all that were added. It must not raise."""
        writes = self._writes
        if not writes:
            asyncio.get_running_loop().call_soon(self.flush)
        writes.append((write, data))
        if len(data) > SMALL or len(writes) >= MOST:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered."""
        writes, self._writes = self._writes, []
        for write, data in writes:
            write(data)
