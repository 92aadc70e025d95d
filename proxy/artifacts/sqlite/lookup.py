"""The index's reads. Every call blocks; its errors are sqlite3.Error."""

import sqlite3
from collections.abc import Mapping, Sequence

from proxy.artifacts.facts import Query
from proxy.artifacts.lookup import MOST_EQUALS, Row, conditions, place
from proxy.artifacts.words import ASKED_MOST, owner_word, words_of


class SqliteLookup:
    """A `Lookup`, as the protocol describes it."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link

    def close(self) -> None:
        self._link.close()

    def find(self, owner: str | None, artifact_id: str) -> Row | None:
        query = "SELECT number, id, kind, sidecar FROM artifacts WHERE id = ? AND (owner = ? OR ?)"
        found = self._link.execute(query, (artifact_id, owner, owner is None)).fetchone()
        return Row(*found) if found is not None else None

    def children(self, owner: str, parents: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        query = "SELECT id FROM links CROSS JOIN artifacts ON id = child WHERE parent = ? AND owner = ? ORDER BY number"
        each = {parent: self._link.execute(query, (parent, owner)).fetchall() for parent in parents}
        return {parent: tuple(found[0] for found in made) for parent, made in each.items() if made}

    def like(self, digest: str, size: int, but: str) -> str | None:
        query = "SELECT sidecar FROM artifacts WHERE sha256 = ? AND size = ? AND id != ? ORDER BY number LIMIT 1"
        found = self._link.execute(query, (digest, size, but)).fetchone()
        return found[0] if found is not None else None

    def equals(self, owner: str, digest: str, but: str) -> tuple[str, ...]:
        query = "SELECT id FROM artifacts WHERE sha256 = ? AND owner = ? AND id != ? ORDER BY number DESC LIMIT ?"
        return tuple(found[0] for found in self._link.execute(query, (digest, owner, but, MOST_EQUALS)))

    def same(self, owner: str, digest: str, purpose: str) -> str | None:
        query = "SELECT sidecar FROM artifacts WHERE sha256 = ? AND owner = ? AND purpose = ? ORDER BY number DESC"
        found = self._link.execute(f"{query} LIMIT 1", (digest, owner, purpose)).fetchone()
        return found[0] if found is not None else None

    def after(self, number: int, most: int) -> list[Row]:
        query = "SELECT number, id, kind, sidecar FROM artifacts WHERE number > ? ORDER BY number LIMIT ?"
        return [Row(*found) for found in self._link.execute(query, (number, most))]

    def page(self, owner: str, query: Query) -> list[Row]:
        wanted = words_of(query.text)[:ASKED_MOST] if query.text is not None else None
        if wanted == []:
            return []
        after = place(query.after, lambda each: self._number(owner, each)) if query.after is not None else None
        where, values = conditions(owner, query, after)
        source, number = "artifacts a", "a.number"
        if wanted is not None:
            source, number = "words CROSS JOIN artifacts a ON a.number = words.rowid", "words.rowid"
            where = [*(each.replace("a.number", number) for each in where), "words MATCH ?"]
            values.append(_match(owner, wanted))
        order = f"{number} {'ASC' if query.oldest_first else 'DESC'}"
        # Only words of ours stand in it; what a caller said is bound.
        text = f"SELECT a.number, a.id, a.kind, a.sidecar FROM {source} WHERE {' AND '.join(where)} ORDER BY {order}"
        return [Row(*found) for found in self._link.execute(f"{text} LIMIT ?", (*values, query.limit + 1))]

    def _number(self, owner: str, artifact_id: str) -> int | None:
        """Also of what was removed since, as callers go on from the last they had."""
        for table in ("artifacts", "gone"):
            query = f"SELECT number FROM {table} WHERE id = ? AND owner = ?"
            found = self._link.execute(query, (artifact_id, owner)).fetchone()
            if found is not None:
                return int(found[0])
        return None


def _match(owner: str, words: list[str]) -> str:
    """Words -> the question in FTS5's language; each is in quotes, so that none of them is a command."""
    *whole, last = (f'"{word}"' for word in words)
    return f"owner : {owner_word(owner)} AND text : ({' AND '.join((*whole, last + ' *'))})"
