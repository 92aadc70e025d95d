"""The index as the store's writer uses it, whatever keeps it. Every call blocks; its errors are STORE_ERRORS.

An artifact's `number` is its time in microseconds, made unique: the order in which artifacts were kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contract.artifacts import Sidecar
from proxy.artifacts.limits import StoreLimits

MICRO = 1_000_000
HIGHEST = 2**63 - 1  # number
LAST = HIGHEST // MICRO - 1  # second


class IndexDamaged(Exception):
    """What is there is no index of ours, or not a whole one, or of other files."""


class QuotaExceeded(Exception):
    """What is full, in words: "your artifacts", or "the store"."""

    def __init__(self, whose: str, what: str) -> None:
        super().__init__(f"{whose}: {what}")
        self.whose = whose
        self.what = what


@dataclass(frozen=True)
class Used:
    """What an owner, or all owners, have."""

    bytes: int
    count: int


class Index(Protocol):
    """Adds, changes and removes rows, each in a transaction of its own. Belongs to one thread at a time."""

    def __contains__(self, artifact_id: str, /) -> bool: ...

    def close(self) -> None: ...

    def shrink(self) -> None:
        """Give back what can be of the disk that the files are on."""

    def add(self, sidecar: Sidecar, limits: StoreLimits | None = None) -> None:
        """The last step of keeping something. Raises QuotaExceeded where `limits` are given.

        What is there already is left: another process that starts may have found the sidecar first.
        """

    def add_all(self, sidecars: Sequence[Sidecar]) -> None:
        """Many at once, all or none: for an index that is made again."""

    def replace(self, sidecar: Sidecar) -> None:
        """News of an artifact that is there. Raises LookupError."""

    def remove(self, artifact_id: str, now: float) -> None:
        """The first step of removing something: what is left of its files goes, whatever happens then."""

    def has_twin(self, sidecar: Sidecar) -> bool:
        """Whether another artifact, whoever's, seems to have the same content."""

    def require_room(self, owner: str, size: int, limits: StoreLimits) -> None:
        """Raises QuotaExceeded where so many bytes more would be too many."""

    def used(self, owner: str | None) -> Used:
        """What an owner has; None: what all have."""

    # What the start, and the sweep, ask for

    def mark(self) -> str | None:
        """The mark of the files that it is the index of, None where none was noted."""

    def note_mark(self, mark: str) -> None:
        """From now on it is the index of the files with this mark."""

    def ids(self) -> dict[str, str]:
        """Every artifact and its kind."""

    def gone(self) -> set[str]:
        """Those that were removed, as far as they are remembered."""

    def forget_gone(self, before: float) -> None: ...

    def expired(self, now: float, most: int) -> list[Sidecar]:
        """Those whose time is over, `most` of them."""


def number_at(seconds: float) -> int:
    """The number that belongs to a time."""
    return round(max(-LAST, min(seconds, LAST)) * MICRO)


def require_room(own: Used, every: Used | None, limits: StoreLimits) -> None:
    """Raises QuotaExceeded where an owner, or all, would have more than they may: `every` None is no matter."""
    if limits.count is not None and own.count > limits.count:
        raise QuotaExceeded("your artifacts", f"{limits.count} of them")
    if limits.quota is not None and own.bytes > limits.quota:
        raise QuotaExceeded("your artifacts", f"{limits.quota} bytes")
    if every is not None and limits.space is not None and every.bytes > limits.space:
        raise QuotaExceeded("the store", f"{limits.space} bytes")
