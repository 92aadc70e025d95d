"""The index's reads: an owner's artifacts, one or a page of them. Every call blocks; its errors are sqlite3.Error."""

import re
import sqlite3
from dataclasses import dataclass

from contract.artifacts import ID_PATTERN
from proxy.artifacts.facts import Query
from proxy.artifacts.index import MICRO, owner_word

WORDS = 16  # of a search, at most
MOST_EQUALS = 20

_ID = re.compile(ID_PATTERN)
_CURSOR = re.compile(r"c[0-9a-f]{1,16}")
_WORD = re.compile(r"\w+")


class BadCursor(Exception):
    """It is no cursor of ours, nor an artifact of that owner."""


@dataclass(frozen=True)
class Row:
    """An artifact as the index knows it."""

    number: int
    id: str
    kind: str
    sidecar: str


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def find(link: sqlite3.Connection, owner: str | None, artifact_id: str) -> Row | None:
    """An owner's artifact; of whom it may be is no matter where `owner` is None."""
    query = "SELECT number, id, kind, sidecar FROM artifacts WHERE id = ? AND (owner = ? OR ?)"
    found = link.execute(query, (artifact_id, owner, owner is None)).fetchone()
    return Row(*found) if found is not None else None


def children(link: sqlite3.Connection, owner: str, parent: str) -> tuple[str, ...]:
    """What was made from it, oldest first."""
    query = "SELECT id FROM links CROSS JOIN artifacts ON id = child WHERE parent = ? AND owner = ? ORDER BY number"
    return tuple(found[0] for found in link.execute(query, (parent, owner)))


def like(link: sqlite3.Connection, digest: str, size: int, but: str) -> tuple[str, str, str] | None:
    """The oldest artifact of the same content, whoever's it is -> id, kind and sidecar."""
    query = "SELECT id, kind, sidecar FROM artifacts WHERE sha256 = ? AND size = ? AND id != ? ORDER BY number LIMIT 1"
    found: tuple[str, str, str] | None = link.execute(query, (digest, size, but)).fetchone()
    return found


def equals(link: sqlite3.Connection, owner: str, digest: str, but: str) -> tuple[str, ...]:
    """An owner's other artifacts of this content, newest first."""
    query = "SELECT id FROM artifacts WHERE sha256 = ? AND owner = ? AND id != ? ORDER BY number DESC LIMIT ?"
    return tuple(found[0] for found in link.execute(query, (digest, owner, but, MOST_EQUALS)))


def same(link: sqlite3.Connection, owner: str, digest: str, purpose: str) -> str | None:
    """The sidecar of an owner's newest artifact of this content."""
    query = "SELECT sidecar FROM artifacts WHERE sha256 = ? AND owner = ? AND purpose = ? ORDER BY number DESC LIMIT 1"
    found = link.execute(query, (digest, owner, purpose)).fetchone()
    return found[0] if found is not None else None


def after(link: sqlite3.Connection, number: int, most: int) -> list[Row]:
    """Of all owners, oldest first."""
    query = "SELECT number, id, kind, sidecar FROM artifacts WHERE number > ? ORDER BY number LIMIT ?"
    return [Row(*found) for found in link.execute(query, (number, most))]


def page(link: sqlite3.Connection, owner: str, query: Query) -> list[Row]:
    """One more than asked for, where there are more. Raises BadCursor."""
    wanted = _WORD.findall(query.text)[:WORDS] if query.text is not None else None
    if wanted == []:
        return []
    conditions, values = _conditions(link, owner, query)
    source = "artifacts a"
    if wanted is not None:
        source = "words CROSS JOIN artifacts a ON a.number = words.rowid"
        conditions = [*(each.replace("a.number", "words.rowid") for each in conditions), "words MATCH ?"]
        values.append(_match(owner, wanted))
    order = f"{'words.rowid' if wanted is not None else 'a.number'} {'ASC' if query.oldest_first else 'DESC'}"
    where = " AND ".join(conditions)
    # Only words of ours stand in it; what a caller said is bound.
    text = f"SELECT a.number, a.id, a.kind, a.sidecar FROM {source} WHERE {where} ORDER BY {order} LIMIT ?"
    return [Row(*found) for found in link.execute(text, (*values, query.limit + 1))]


def cursor_of(row: Row) -> str:
    return f"c{row.number:x}"


def _conditions(link: sqlite3.Connection, owner: str, query: Query) -> tuple[list[str], list[object]]:
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
        add("a.number >= ?", round(query.since * MICRO))
    if query.until is not None:
        add("a.number < ?", round(query.until * MICRO))
    if query.after is not None:
        add(f"a.number {'>' if query.oldest_first else '<'} ?", _place(link, owner, query.after))
    return where, values


def _place(link: sqlite3.Connection, owner: str, after: str) -> int:
    """A cursor, or an id -> its number: also of what was removed since, as callers go on from the last they had."""
    if _CURSOR.fullmatch(after):
        return min(int(after[1:], 16), 2**63 - 1)
    for table in ("artifacts", "gone"):
        query = f"SELECT number FROM {table} WHERE id = ? AND owner = ?"
        found = link.execute(query, (after, owner)).fetchone()
        if found is not None:
            return int(found[0])
    raise BadCursor(after)


def _match(owner: str, words: list[str]) -> str:
    """Words -> the question in FTS5's language; each is in quotes, so that none of them is a command."""
    *whole, last = (f'"{word}"' for word in words)
    return f"owner : {owner_word(owner)} AND text : ({' AND '.join((*whole, last + ' *'))})"
