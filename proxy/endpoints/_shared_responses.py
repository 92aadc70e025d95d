"""The memory of responses that all workers hold together: who made one is known to all before its caller has it."""

from collections.abc import Callable
from struct import Struct

from proxy.endpoints._remembered import Made
from proxy.sharing.table import DIGEST, NOBODY, Table, digest_of

LONGEST_MODEL = 64
# The digests of a response's id and of its owner, when it was remembered, whether its events can be had again, and the
# name of its model.
FORM = Struct(f"={DIGEST}s{DIGEST}sd?{LONGEST_MODEL}s")
OLDEST = Struct("=d")
STAMP = 2 * DIGEST


class SharedResponseMemory:
    """Like ResponseMemory. In each set of the table the oldest is forgotten for a new one."""

    def __init__(self, table: Table, clock: Callable[[], float]) -> None:
        self._table = table
        self._clock = clock

    def remember(self, response_id: str, made: Made, owner: str) -> None:
        """An id that is another owner's stays that owner's."""
        digest, whose, name = digest_of(response_id), digest_of(owner), made.model.encode()
        if len(name) > LONGEST_MODEL:
            return
        sets = (self._table.set_of(digest),)
        try:
            self._table.lock(sets)
            place = self._table.find(digest)
            if place is None or self._read(place)[0] == whose:
                where = self._oldest(digest) if place is None else place
                FORM.pack_into(self._table.memory, where, digest, whose, self._clock(), made.keeps_events, name)
        finally:
            self._table.unlock(sets)

    def find(self, response_id: str, owner: str) -> Made | None:
        """How an owner's response was made. Another owner's is as if there were none."""
        digest = digest_of(response_id)
        sets = (self._table.set_of(digest),)
        try:
            self._table.lock(sets)
            place = self._table.find(digest)
            whose, made = self._read(place) if place is not None else (NOBODY, None)
        finally:
            self._table.unlock(sets)
        return made if whose == digest_of(owner) else None

    def _read(self, place: int) -> tuple[bytes, Made]:
        _, whose, _, keeps_events, name = FORM.unpack_from(self._table.memory, place)
        return whose, Made(name.rstrip(b"\0").decode(), keeps_events)

    def _oldest(self, digest: bytes) -> int:
        return min(self._table.places(digest), key=self._stamp)

    def _stamp(self, place: int) -> float:
        stamp: float = OLDEST.unpack_from(self._table.memory, place + STAMP)[0]
        return stamp
