"""The index as the store's readers use it: an owner's artifacts, one or a page of them. What keeps it is no matter.

Every call blocks; the errors are STORE_ERRORS.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from contract.artifacts import ID_PATTERN
from proxy.artifacts.facts import Query
from proxy.artifacts.index import HIGHEST, Index, number_at

MOST_EQUALS = 20

_ID = re.compile(ID_PATTERN)
_CURSOR = re.compile(r"c[0-9a-f]{1,16}")


class BadCursor(Exception):
    """It is no cursor of ours, nor an artifact of that owner."""


@dataclass(frozen=True)
class Row:
    """An artifact as the index knows it."""

    number: int
    id: str
    kind: str
    sidecar: str


class Lookup(Protocol):
    """Belongs to one thread at a time."""

    def close(self) -> None: ...

    def find(self, owner: str | None, artifact_id: str) -> Row | None:
        """An owner's artifact; of whom it may be is no matter where `owner` is None."""

    def children(self, owner: str, parents: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """What was made from each that something was made from, oldest first."""

    def like(self, digest: str, size: int, but: str) -> str | None:
        """The sidecar of the oldest artifact of the same content, whoever's it is."""

    def equals(self, owner: str, digest: str, but: str) -> tuple[str, ...]:
        """An owner's other artifacts of this content, MOST_EQUALS of them, newest first."""

    def same(self, owner: str, digest: str, purpose: str) -> str | None:
        """The sidecar of an owner's newest artifact of this content."""

    def after(self, number: int, most: int) -> list[Row]:
        """Of all owners, oldest first."""

    def page(self, owner: str, query: Query) -> list[Row]:
        """One more than asked for, where there are more. Raises BadCursor."""


class IndexSource(Protocol):
    """Where an index is. `is_apart`: elsewhere than the files, so that it may turn out to be of others."""

    is_apart: bool

    def open_index(self) -> Index:
        """The one that writes; makes what is not there."""

    def open_lookup(self) -> Lookup:
        """One more that reads, after the index was made."""


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def cursor_of(row: Row) -> str:
    return f"c{row.number:x}"


def place(after: str, number_of: Callable[[str], int | None]) -> int:
    """A cursor, or an id, of which `number_of` knows the number -> that number. Raises BadCursor."""
    if _CURSOR.fullmatch(after):
        return min(int(after[1:], 16), HIGHEST)
    number = number_of(after) if is_id(after) else None
    if number is None:
        raise BadCursor(after)
    return number


def conditions(owner: str, query: Query, after: int | None) -> tuple[list[str], list[object]]:
    """What holds of the rows that are asked for, but for the text, in SQL with `?` -> it, and the values."""
    where: list[str] = ["a.owner = ?"]
    values: list[object] = [owner]

    def add(condition: str, *told: object) -> None:
        where.append(condition)
        values.extend(told)

    if query.kinds:
        add(f"a.kind IN ({', '.join('?' * len(query.kinds))})", *(kind.value for kind in query.kinds))
    if query.model is not None:
        add("a.model = ?", query.model)
    if query.purpose is not None:
        add("a.purpose = ?", query.purpose)
    if query.uploaded is not None:
        add(f"a.purpose IS {'NOT ' if query.uploaded else ''}NULL")
    if query.since is not None:
        add("a.number >= ?", number_at(query.since))
    if query.until is not None:
        add("a.number < ?", number_at(query.until))
    if after is not None:
        add(f"a.number {'>' if query.oldest_first else '<'} ?", after)
    return where, values
