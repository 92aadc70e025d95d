"""The index's reads. Every call blocks; its errors are those of `proxy/postgres`."""

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.artifacts.facts import Query
from proxy.artifacts.lookup import MOST_EQUALS, Row, conditions, place
from proxy.artifacts.words import ASKED_MOST, owner_word, words_of
from proxy.postgres.line import Line

ROW = "SELECT a.number, a.id, a.kind, a.sidecar FROM roundhouse_artifacts a"
# A word that stands in many is among the next rows anyhow: they are looked through in their order. One that does not
# is asked of the index of words, which knows no order: all that it finds is sorted. Each way is slow for the other's
# words, and which of the two is taken is not left to what the server believes of words.
NEAR_ROWS = 500
NEAR = (
    "SELECT number, id, kind, sidecar FROM (SELECT a.* FROM roundhouse_artifacts a WHERE {where} "
    "ORDER BY {order} LIMIT %s) AS near WHERE words @@ %s::tsquery ORDER BY {order} LIMIT %s"
)
FAR = (
    "WITH found AS MATERIALIZED (SELECT a.number FROM roundhouse_artifacts a WHERE {where} AND a.words @@ %s::tsquery) "
    f"{ROW} WHERE a.number IN (SELECT number FROM found ORDER BY {{order}} LIMIT %s) ORDER BY {{order}}"
)
PLACE = (
    "SELECT number FROM roundhouse_artifacts WHERE id = %(id)s AND owner = %(owner)s UNION ALL "
    "SELECT number FROM roundhouse_gone WHERE id = %(id)s AND owner = %(owner)s"
)


class PostgresLookup:
    """A `Lookup`, as the protocol describes it."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def close(self) -> None:
        self._line.close()

    def find(self, owner: str | None, artifact_id: str) -> Row | None:
        found = self._all(f"{ROW} WHERE id = %s AND (owner = %s OR %s)", artifact_id, owner, owner is None)
        return Row(*found[0]) if found else None

    def children(self, owner: str, parents: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        query = "SELECT parent, child FROM roundhouse_links JOIN roundhouse_artifacts ON id = child "
        made: dict[str, tuple[str, ...]] = {}
        for parent, child in self._all(
            f"{query} WHERE parent = ANY(%s) AND owner = %s ORDER BY number", list(parents), owner
        ):
            made[parent] = (*made.get(parent, ()), child)
        return made

    def like(self, digest: str, size: int, but: str) -> str | None:
        query = "SELECT sidecar FROM roundhouse_artifacts WHERE sha256 = %s AND size = %s AND id != %s ORDER BY number"
        found = self._all(f"{query} LIMIT 1", digest, size, but)
        return found[0][0] if found else None

    def equals(self, owner: str, digest: str, but: str) -> tuple[str, ...]:
        query = "SELECT id FROM roundhouse_artifacts WHERE sha256 = %s AND owner = %s AND id != %s ORDER BY number DESC"
        return tuple(found[0] for found in self._all(f"{query} LIMIT %s", digest, owner, but, MOST_EQUALS))

    def same(self, owner: str, digest: str, purpose: str) -> str | None:
        query = "SELECT sidecar FROM roundhouse_artifacts WHERE sha256 = %s AND owner = %s AND purpose = %s"
        found = self._all(f"{query} ORDER BY number DESC LIMIT 1", digest, owner, purpose)
        return found[0][0] if found else None

    def after(self, number: int, most: int) -> list[Row]:
        return self._rows(f"{ROW} WHERE number > %s ORDER BY number LIMIT %s", number, most)

    def page(self, owner: str, query: Query) -> list[Row]:
        wanted = words_of(query.text)[:ASKED_MOST] if query.text is not None else None
        if wanted == []:
            return []
        after = place(query.after, lambda each: self._number(owner, each)) if query.after is not None else None
        conditioned, values = conditions(owner, query, after)
        if any(isinstance(value, str) and "\0" in value for value in values):
            return []  # no text of PostgreSQL can hold it
        # Only words of ours stand in it; what a caller said is bound.
        where = " AND ".join(conditioned).replace("?", "%s")
        order = f"number {'ASC' if query.oldest_first else 'DESC'}"
        most = query.limit + 1
        if wanted is None:
            return self._rows(f"{ROW} WHERE {where} ORDER BY {order} LIMIT %s", *values, most)
        match = _match(owner, wanted)
        rows = self._rows(NEAR.format(where=where, order=order), *values, NEAR_ROWS, match, most)
        return rows if len(rows) == most else self._rows(FAR.format(where=where, order=order), *values, match, most)

    def _number(self, owner: str, artifact_id: str) -> int | None:
        """Also of what was removed since, as callers go on from the last they had."""
        values = {"id": artifact_id, "owner": owner}
        found = self._line.ask(lambda cursor: cursor.execute(PLACE, values).fetchone())
        return found[0] if found is not None else None

    def _rows(self, query: str, *values: object) -> list[Row]:
        return [Row(*found) for found in self._all(query, *values)]

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._line.ask(lambda cursor: cursor.execute(query, values).fetchall())


def _match(owner: str, words: list[str]) -> str:
    """Words -> the question in the language of `tsquery`; each is in quotes, so that none of them is a command."""
    *whole, last = (f"'{word}'" for word in (owner_word(owner), *words))
    return " & ".join((*whole, f"{last}:*"))
