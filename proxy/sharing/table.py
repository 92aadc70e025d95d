"""A table in memory that several processes share: records of a fixed size, found by the digest of their name.

A lock is the kernel's, on a range of the file behind the memory: a process that is killed holds it no longer. It is
the process's and not a thread's, so one thread of each uses a table: the event loop's.
"""

import fcntl
import os
from collections.abc import Collection, Iterator
from hashlib import blake2b
from mmap import mmap

DIGEST = 16
NOBODY = bytes(DIGEST)


def digest_of(*names: str) -> bytes:
    """Names -> what stands for them in a table."""
    return blake2b("\0".join(names).encode(), digest_size=DIGEST).digest()


class Table:
    """`sets` sets of `ways` records. A record stands anywhere in the set that its digest says, digest first.

    What reads or writes a set holds its lock; nothing may be awaited meanwhile.
    """

    def __init__(self, file: int, memory: mmap, start: int, shape: "Shape") -> None:
        self.file = file
        self._start = start
        self._shape = shape
        self.memory = memory

    def set_of(self, digest: bytes) -> int:
        """The number of the set in which a record of that digest stands."""
        return int.from_bytes(digest[:4], "little") % self._shape.sets

    def lock(self, sets: Collection[int]) -> None:
        """Wait for the locks of these sets, in an order that all keep. Raises OSError: then `unlock` is due, too."""
        for number in sorted(sets) if len(sets) > 1 else sets:
            fcntl.lockf(self.file, fcntl.LOCK_EX, 1, self._start + number, os.SEEK_SET)

    def unlock(self, sets: Collection[int]) -> None:
        """Give them back, as far as they were had."""
        for number in sets:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, self._start + number, os.SEEK_SET)

    def find(self, digest: bytes) -> int | None:
        """Where in `memory` the record of that digest begins."""
        return next((place for place in self.places(digest) if self.holder(place) == digest), None)

    def holder(self, place: int) -> bytes:
        """The digest of the record there."""
        return self.memory[place : place + DIGEST]

    def places(self, digest: bytes) -> Iterator[int]:
        """Every place where a record of that digest may stand."""
        shape = self._shape
        first = self._start + self.set_of(digest) * shape.ways * shape.size
        return iter(range(first, first + shape.ways * shape.size, shape.size))

    def number(self, place: int) -> int:
        """The record's number among all of the table."""
        return (place - self._start) // self._shape.size


class Shape:
    """How large a table is: records are `size` bytes each."""

    def __init__(self, sets: int, ways: int, size: int) -> None:
        self.sets = sets
        self.ways = ways
        self.size = size

    @property
    def records(self) -> int:
        return self.sets * self.ways

    @property
    def bytes(self) -> int:
        return self.records * self.size
