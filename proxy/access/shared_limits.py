"""Limits that all workers hold together: the arithmetic is Allowance's, what is left stands in their shared memory."""

from collections.abc import Collection, Sequence
from typing import Final, cast

from contract.keys import KeyLimits
from proxy.access.allowance import PAUSE, Allowance, Limits, Refusal
from proxy.access.limit_table import Buckets, LimitTable
from proxy.sharing.table import digest_of

CROWDED: Final = "no request at the moment: too many others are busy"


class SharedAllowance(Allowance):
    """A holder's, as this worker saw it last. Between `load` and `store` it is everybody's, and locked.

    In force are the limits that stand in the table: who learns of new ones writes them there, where they differ.
    """

    __slots__ = ("_digest", "_elsewhere", "_place", "_table", "sets")

    def __init__(self, holder: str, limits: KeyLimits, now: float, table: LimitTable) -> None:
        self._table = table
        self._place: int | None = None
        self._elsewhere = 0
        self._digest = digest_of(holder)
        self.sets = (table.set_of(self._digest),)
        super().__init__(holder, limits, now)

    def adopt(self, limits: KeyLimits, now: float) -> None:
        """New limits begin full, once for all workers; what runs goes on and is counted."""
        super().adopt(limits, now)
        fresh = (self._requests, self._tokens)
        try:
            self._table.lock(self.sets)
            place = self._find()
            if place is not None and _sizes(self._table.read(place, (None, None))) != _sizes(fresh):
                self._table.write(place, self._digest, fresh)
        finally:
            self._table.unlock(self.sets)

    @property
    def buckets(self) -> Buckets:
        """As they stand at this moment, to be told: nothing is locked for that."""
        place = self._find()
        if place is None:
            super().adopt(self.limits, 0.0)  # nobody has used it for so long that it is full
        else:
            self._requests, self._tokens = self._table.read(place, (self._requests, self._tokens))
        return self._requests, self._tokens

    def load(self, now: float) -> bool:
        """See what is left. False: there is no place where it could stand."""
        place = self._find()
        if place is None:
            place = self._enter(now)
        if place is None:
            return False
        self._requests, self._tokens = self._table.read(place, (self._requests, self._tokens))
        here, self._elsewhere = self._table.running(place)
        self.running = here + self._elsewhere
        return True

    def store(self) -> None:
        """Say what is left now."""
        self.running -= self._elsewhere
        if self._place is not None:
            self._table.write(self._place, self._digest, (self._requests, self._tokens))
            self._table.run_here(self._place, self.running)

    def _find(self) -> int | None:
        self._place = self._table.find(self._digest, self._place)
        return self._place

    def _enter(self, now: float) -> int | None:
        place = self._place = self._table.free_place(self._digest, now)
        if place is not None:
            super().adopt(self.limits, now)
            self._table.write(place, self._digest, (self._requests, self._tokens))
        return place


class SharedLimits(Limits):
    """Takes and settles under the locks of the holders' records: microseconds, in which nobody else does."""

    def __init__(self, table: LimitTable) -> None:
        self._table = table

    def allowance(self, holder: str, limits: KeyLimits, now: float) -> Allowance:
        return SharedAllowance(holder, limits, now, self._table)

    def take(self, allowances: Sequence[Allowance], tokens: int, now: float) -> tuple[int, ...] | Refusal:
        shared = _shared(allowances)
        sets = _sets(shared)
        try:
            self._table.lock(sets)
            for each in shared:
                if not each.load(now):
                    return Refusal(each.holder, CROWDED, PAUSE)
            taken = super().take(shared, tokens, now)
            for each in shared:
                each.store()
            return taken
        finally:
            self._table.unlock(sets)

    def occupy(self, allowances: Sequence[Allowance], now: float) -> Refusal | None:
        shared = _shared(allowances)
        sets = _sets(shared)
        try:
            self._table.lock(sets)
            for each in shared:
                if not each.load(now):
                    return Refusal(each.holder, CROWDED, PAUSE)
            refusal = super().occupy(shared, now)
            for each in shared:
                each.store()
            return refusal
        finally:
            self._table.unlock(sets)

    def settle(self, allowances: Sequence[Allowance], reserved: Sequence[int], spent: int) -> None:
        shared = _shared(allowances)
        sets = _sets(shared)
        try:
            self._table.lock(sets)
            for each in shared:
                each.load(0.0)  # what runs has its record
            super().settle(shared, reserved, spent)
            for each in shared:
                each.store()
        finally:
            self._table.unlock(sets)


def _shared(allowances: Sequence[Allowance]) -> Sequence[SharedAllowance]:
    """All of them were made by `SharedLimits.allowance`."""
    return cast(Sequence[SharedAllowance], allowances)


def _sets(allowances: Sequence[SharedAllowance]) -> Collection[int]:
    """The locks of all their records, each once."""
    if len(allowances) == 1:
        return allowances[0].sets
    return {number for each in allowances for number in each.sets}


def _sizes(buckets: Buckets) -> tuple[int, ...]:
    return tuple(0 if bucket is None else bucket.size for bucket in buckets)
