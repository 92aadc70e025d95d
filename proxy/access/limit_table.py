"""What is left of limits, in the memory that workers share: a record for each holder, and what each worker runs of it.

A record that is full, and of which nothing runs, says no more than none would: its place may be another holder's. So
the table has room for as many holders as were busy within the last minute, and not for as many as there ever were.
"""

from collections.abc import Collection
from struct import Struct

from proxy.access.bucket import Bucket
from proxy.sharing.memory import LIMITS, SharedMemory
from proxy.sharing.table import DIGEST, NOBODY

# The holder's digest; then of requests, and of tokens: the bucket's size (0: none), what was in it, and when.
FORM = Struct(f"={DIGEST}sqddqdd")
NO_BUCKET = (0, 0.0, 0.0)

Stored = tuple[bytes, int, float, float, int, float, float]
Buckets = tuple[Bucket | None, Bucket | None]


class LimitTable:
    """The table as one worker uses it. Who reads to write holds the record's lock; to show, nobody needs one."""

    def __init__(self, memory: SharedMemory, worker: int, workers: int) -> None:
        self._table = memory.limits
        self._memory = memory.limits.memory
        self._running = memory.running
        self._here = worker * LIMITS.records
        self._elsewhere = tuple(each * LIMITS.records for each in range(workers) if each != worker)

    def set_of(self, digest: bytes) -> int:
        """The number of the lock of a holder's record."""
        return self._table.set_of(digest)

    def lock(self, sets: Collection[int]) -> None:
        """Nobody else reads or writes these records until `unlock`. Nothing may be awaited meanwhile."""
        self._table.lock(sets)

    def unlock(self, sets: Collection[int]) -> None:
        self._table.unlock(sets)

    def find(self, digest: bytes, last: int | None) -> int | None:
        """The place of a holder's record. `last` is where it was."""
        if last is not None and self._table.holder(last) == digest:
            return last
        return self._table.find(digest)

    def free_place(self, digest: bytes, now: float) -> int | None:
        """A place for a new record; None: all are in use."""
        return next((place for place in self._table.places(digest) if self._is_free(place, now)), None)

    def read(self, place: int, last: Buckets) -> Buckets:
        """What is left. `last` are the buckets as they were: they become what is, where their sizes are the same."""
        _, *numbers = FORM.unpack_from(self._memory, place)
        return _restored(last[0], *numbers[:3]), _restored(last[1], *numbers[3:])

    def write(self, place: int, digest: bytes, buckets: Buckets) -> None:
        """Keep what is left."""
        requests, tokens = buckets
        FORM.pack_into(self._memory, place, digest, *_stored(requests), *_stored(tokens))

    def running(self, place: int) -> tuple[int, int]:
        """Requests of the holder's that run here, and at the other workers."""
        number = self._table.number(place)
        running = self._running
        elsewhere = 0
        for first in self._elsewhere:
            elsewhere += running[first + number]
        return running[self._here + number], elsewhere

    def run_here(self, place: int, running: int) -> None:
        """This worker runs so many."""
        self._running[self._here + self._table.number(place)] = running

    def _is_free(self, place: int, now: float) -> bool:
        if self._table.holder(place) == NOBODY:
            return True
        if any(self.running(place)):
            return False
        return all(bucket is None or bucket.until_full(now) <= 0 for bucket in self.read(place, (None, None)))


def _restored(bucket: Bucket | None, size: int, level: float, at: float) -> Bucket | None:
    if not size:
        return None
    if bucket is None or bucket.size != size:
        bucket = Bucket(size, at)
    bucket.restore(level, at)
    return bucket


def _stored(bucket: Bucket | None) -> tuple[int, float, float]:
    return NO_BUCKET if bucket is None else (bucket.size, *bucket.state)
