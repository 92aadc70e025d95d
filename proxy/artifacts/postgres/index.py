"""The index's writes. Every call blocks, and its errors are those of `proxy/postgres`.

Several proxies may write at once. What an owner has is a row that who adds locks first, so that a quota is exact; who
needs all owners' locks their table, which lets others read.
"""

from collections.abc import Sequence
from dataclasses import replace

from contract.artifacts import Sidecar
from proxy.artifacts.index import Used, number_at, require_room
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.postgres.schema import PART, SCHEMA, VERSION
from proxy.artifacts.words import owner_word, words_kept
from proxy.postgres.errors import DatabaseAbsent
from proxy.postgres.line import Line, Pointer
from proxy.postgres.tables import make_tables

ALONE = "LOCK TABLE roundhouse_owners IN SHARE ROW EXCLUSIVE MODE"
COUNT = (
    "INSERT INTO roundhouse_owners AS o VALUES (%s, %s, %s) ON CONFLICT (owner) "
    "DO UPDATE SET bytes = o.bytes + excluded.bytes, count = o.count + excluded.count RETURNING bytes, count"
)
UNCOUNT = "UPDATE roundhouse_owners SET bytes = bytes - %s, count = count - 1 WHERE owner = %s"
ROW = (
    "INSERT INTO roundhouse_artifacts VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, array_to_tsvector(%s::text[])) "
    "ON CONFLICT DO NOTHING"
)
LINK = "INSERT INTO roundhouse_links SELECT unnest(%s::text[]), %s ON CONFLICT DO NOTHING"
GONE = (
    "INSERT INTO roundhouse_gone VALUES (%s, %s, %s, %s) ON CONFLICT (id) "
    "DO UPDATE SET owner = excluded.owner, number = excluded.number, at = excluded.at"
)


class PostgresIndex:
    """An `Index`, as the protocol describes it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._batches = 0
        self._doubtful: set[str] = set()

    def prepare(self) -> None:
        """Makes the tables where they are not. To be asked before all else."""
        self._line.change(lambda cursor: make_tables(cursor, PART, VERSION, SCHEMA))

    def __contains__(self, artifact_id: str) -> bool:
        return self._line.ask(lambda cursor: _is_there(cursor, artifact_id))

    def close(self) -> None:
        self._line.close()

    def shrink(self) -> None:
        """It takes nothing of the files' disk."""

    def add(self, sidecar: Sidecar, limits: StoreLimits | None = None) -> None:
        try:
            self._line.change(lambda cursor: _add(cursor, sidecar, limits))
        except DatabaseAbsent:
            self._doubtful.add(sidecar.id)
            raise

    def add_all(self, sidecars: Sequence[Sidecar]) -> None:
        """Alone: others who add wait for its end."""
        self._line.change(lambda cursor: _add_all(cursor, sidecars))
        self._batches += 1
        if not self._batches & (self._batches - 1):  # the server would look by itself, but not before a minute is over
            self._line.ask(lambda cursor: cursor.execute("ANALYZE roundhouse_artifacts"))

    def replace(self, sidecar: Sidecar) -> None:
        def work(cursor: Pointer) -> None:
            text = "UPDATE roundhouse_artifacts SET sidecar = %s WHERE id = %s"
            if not cursor.execute(text, (sidecar.model_dump_json(), sidecar.id)).rowcount:
                raise LookupError(sidecar.id)
            _link_parents(cursor, sidecar)

        self._line.change(work)

    def remove(self, artifact_id: str, now: float) -> None:
        self._line.change(lambda cursor: _remove(cursor, artifact_id, now))

    def has_twin(self, sidecar: Sidecar) -> bool:
        query = "SELECT 1 FROM roundhouse_artifacts WHERE sha256 = %s AND id != %s LIMIT 1"
        return self._line.ask(lambda cursor: cursor.execute(query, (sidecar.sha256, sidecar.id)).fetchone()) is not None

    def require_room(self, owner: str, size: int, limits: StoreLimits) -> None:
        own, every = self.used(owner), self.used(None) if limits.space is not None else None
        wanted = replace(own, bytes=own.bytes + size, count=own.count + 1)
        require_room(wanted, every and replace(every, bytes=every.bytes + size), limits)

    def used(self, owner: str | None) -> Used:
        return self._line.ask(lambda cursor: _used(cursor, owner))

    def mark(self) -> str | None:
        query = "SELECT mark FROM roundhouse_versions WHERE part = %s"
        found = self._line.ask(lambda cursor: cursor.execute(query, (PART,)).fetchone())
        return found[0] if found is not None else None

    def note_mark(self, mark: str) -> None:
        # Of two proxies that begin at once, and have other files, the first is who it belongs to.
        text = "UPDATE roundhouse_versions SET mark = %s WHERE part = %s AND mark IS NULL"
        self._line.ask(lambda cursor: cursor.execute(text, (mark, PART)))

    def ids(self) -> dict[str, str]:
        query = "SELECT id, kind FROM roundhouse_artifacts"
        return dict(self._line.ask(lambda cursor: cursor.execute(query).fetchall()))

    def gone(self) -> set[str]:
        found = self._line.ask(lambda cursor: cursor.execute("SELECT id FROM roundhouse_gone").fetchall())
        return {each[0] for each in found}

    def forget_gone(self, before: float) -> None:
        """Of what was added while the connection was lost, nobody knows whether it was: its files are gone."""
        for artifact_id in tuple(self._doubtful):
            self.remove(artifact_id, before)
            self._doubtful.discard(artifact_id)
        self._line.ask(lambda cursor: cursor.execute("DELETE FROM roundhouse_gone WHERE at < %s", (before,)))

    def expired(self, now: float, most: int) -> list[Sidecar]:
        query = "SELECT sidecar FROM roundhouse_artifacts WHERE expires <= %s ORDER BY expires LIMIT %s"
        found = self._line.ask(lambda cursor: cursor.execute(query, (now, most)).fetchall())
        return [Sidecar.model_validate_json(each[0]) for each in found]


def _add(cursor: Pointer, sidecar: Sidecar, limits: StoreLimits | None) -> None:
    if limits is not None and limits.space is not None:
        cursor.execute(ALONE)
    (own,) = cursor.execute(COUNT, (_text(sidecar.owner), sidecar.size, 1)).fetchall()
    if not _place(cursor, sidecar):
        cursor.execute(UNCOUNT, (sidecar.size, _text(sidecar.owner)))
        return
    if limits is not None:
        require_room(Used(*own), _used(cursor, None) if limits.space is not None else None, limits)
    _link_parents(cursor, sidecar)


def _place(cursor: Pointer, sidecar: Sidecar) -> bool:
    """A row at the first number that is free -> whether it was not there yet."""
    number = number_at(sidecar.created)
    while not cursor.execute(ROW, (number, *_row(sidecar))).rowcount:
        if _is_there(cursor, sidecar.id):
            return False
        number += 1
    return True


def _add_all(cursor: Pointer, sidecars: Sequence[Sidecar]) -> None:
    cursor.execute(ALONE)
    query = "SELECT id FROM roundhouse_artifacts WHERE id = ANY(%s)"
    known = {found[0] for found in cursor.execute(query, ([each.id for each in sidecars],))}
    new = {each.id: each for each in sidecars if each.id not in known}.values()
    query = "SELECT number FROM roundhouse_artifacts WHERE number = ANY(%s)"
    taken = {found[0] for found in cursor.execute(query, ([number_at(each.created) for each in new],))}
    rows, crowded, owners = list[tuple[object, ...]](), list[Sidecar](), dict[str, list[int]]()
    for each in new:
        owners.setdefault(_text(each.owner), []).append(each.size)
        number = number_at(each.created)
        if number in taken:
            crowded.append(each)
        else:
            rows.append((number, *_row(each)))
        taken.add(number)
    cursor.executemany(ROW, rows)
    for each in crowded:
        _place(cursor, each)
    cursor.executemany(COUNT, [(owner, sum(sizes), len(sizes)) for owner, sizes in owners.items()])
    cursor.executemany(LINK, [(list(each.parents), each.id) for each in new if each.parents])


def _remove(cursor: Pointer, artifact_id: str, now: float) -> None:
    text = "DELETE FROM roundhouse_artifacts WHERE id = %s RETURNING number, owner, size, sidecar"
    found = cursor.execute(text, (artifact_id,)).fetchone()
    if found is None:
        return
    number, owner, size, sidecar = found
    cursor.execute(UNCOUNT, (size, owner))
    cursor.execute(GONE, (artifact_id, owner, number, now))
    parents = list(Sidecar.model_validate_json(sidecar).parents)
    if parents:
        text = "DELETE FROM roundhouse_links WHERE parent = ANY(%s) AND child = %s"
        cursor.execute(text, (parents, artifact_id))


def _is_there(cursor: Pointer, artifact_id: str) -> bool:
    found = cursor.execute("SELECT 1 FROM roundhouse_artifacts WHERE id = %s", (artifact_id,)).fetchone()
    return found is not None


def _used(cursor: Pointer, owner: str | None) -> Used:
    where, values = ("", ()) if owner is None else (" WHERE owner = %s", (_text(owner),))
    query = f"SELECT coalesce(sum(bytes), 0)::bigint, coalesce(sum(count), 0)::bigint FROM roundhouse_owners{where}"
    (found,) = cursor.execute(query, values).fetchall()
    return Used(*found)


def _link_parents(cursor: Pointer, sidecar: Sidecar) -> None:
    if sidecar.parents:
        cursor.execute(LINK, (list(sidecar.parents), sidecar.id))


def _row(sidecar: Sidecar) -> tuple[object, ...]:
    texts = (sidecar.owner, sidecar.kind.value, sidecar.model, sidecar.purpose)
    what = (sidecar.size, sidecar.sha256, sidecar.expires, sidecar.model_dump_json())
    words = [owner_word(sidecar.owner), *words_kept(sidecar)]
    return (sidecar.id, *(text and _text(text) for text in texts), *what, words)


def _text(text: str) -> str:
    """What a foreign sidecar may say, and no text of PostgreSQL can hold, is left out."""
    return text.replace("\0", "")
