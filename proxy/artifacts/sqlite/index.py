"""The index's writes. Every call blocks, and its errors are sqlite3.Error."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from contract.artifacts import Sidecar
from proxy.artifacts.index import Used, number_at, require_room
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.words import owner_word, words_kept


class SqliteIndex:
    """An `Index`, as the protocol describes it."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link

    def __contains__(self, artifact_id: str) -> bool:
        return self._link.execute("SELECT 1 FROM artifacts WHERE id = ?", (artifact_id,)).fetchone() is not None

    def close(self) -> None:
        self._link.close()

    def shrink(self) -> None:
        """What the log takes of the disk, as far as nobody reads it."""
        self._link.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def add(self, sidecar: Sidecar, limits: StoreLimits | None = None) -> None:
        with Transaction(self._link) as link:
            if sidecar.id in self:
                return
            if limits is not None:
                self.require_room(sidecar.owner, sidecar.size, limits)
            number = self._number(sidecar)
            link.execute("INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(number, sidecar))
            link.execute("INSERT INTO words (rowid, owner, text) VALUES (?, ?, ?)", (number, *_words(sidecar)))
            count = "INSERT INTO owners VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, "
            link.execute(count + "count = count + 1", (sidecar.owner, sidecar.size))
            self._link_parents(sidecar)

    def add_all(self, sidecars: Sequence[Sidecar]) -> None:
        with Transaction(self._link):
            for sidecar in sidecars:
                self.add(sidecar)

    def replace(self, sidecar: Sidecar) -> None:
        with Transaction(self._link) as link:
            found = link.execute("SELECT number FROM artifacts WHERE id = ?", (sidecar.id,)).fetchone()
            if found is None:
                raise LookupError(sidecar.id)
            link.execute("UPDATE artifacts SET sidecar = ? WHERE number = ?", (sidecar.model_dump_json(), found[0]))
            self._link_parents(sidecar)

    def remove(self, artifact_id: str, now: float) -> None:
        with Transaction(self._link) as link:
            found = link.execute("SELECT number, sidecar FROM artifacts WHERE id = ?", (artifact_id,)).fetchone()
            if found is None:
                return
            number, sidecar = found[0], Sidecar.model_validate_json(found[1])
            link.execute("DELETE FROM artifacts WHERE number = ?", (number,))
            delete = "INSERT INTO words (words, rowid, owner, text) VALUES ('delete', ?, ?, ?)"
            link.execute(delete, (number, *_words(sidecar)))
            count = "UPDATE owners SET bytes = bytes - ?, count = count - 1 WHERE owner = ?"
            link.execute(count, (sidecar.size, sidecar.owner))
            link.execute("INSERT OR REPLACE INTO gone VALUES (?, ?, ?, ?)", (artifact_id, sidecar.owner, number, now))
            parents = ((parent, artifact_id) for parent in sidecar.parents)
            link.executemany("DELETE FROM links WHERE parent = ? AND child = ?", parents)

    def has_twin(self, sidecar: Sidecar) -> bool:
        query = "SELECT 1 FROM artifacts WHERE sha256 = ? AND id != ? LIMIT 1"
        return self._link.execute(query, (sidecar.sha256, sidecar.id)).fetchone() is not None

    def require_room(self, owner: str, size: int, limits: StoreLimits) -> None:
        own, every = self.used(owner), self.used(None) if limits.space is not None else None
        wanted = replace(own, bytes=own.bytes + size, count=own.count + 1)
        require_room(wanted, every and replace(every, bytes=every.bytes + size), limits)

    def used(self, owner: str | None) -> Used:
        where, values = ("", ()) if owner is None else (" WHERE owner = ?", (owner,))
        found = self._link.execute(f"SELECT sum(bytes), sum(count) FROM owners{where}", values).fetchone()
        return Used(found[0] or 0, found[1] or 0)

    def mark(self) -> str | None:
        found: tuple[str] | None = self._link.execute("SELECT mark FROM files").fetchone()
        return found[0] if found is not None else None

    def note_mark(self, mark: str) -> None:
        with Transaction(self._link) as link:
            link.execute("DELETE FROM files")
            link.execute("INSERT INTO files VALUES (?)", (mark,))

    def ids(self) -> dict[str, str]:
        return dict(self._link.execute("SELECT id, kind FROM artifacts"))

    def gone(self) -> set[str]:
        return {found[0] for found in self._link.execute("SELECT id FROM gone")}

    def forget_gone(self, before: float) -> None:
        self._link.execute("DELETE FROM gone WHERE at < ?", (before,))

    def expired(self, now: float, most: int) -> list[Sidecar]:
        query = "SELECT sidecar FROM artifacts WHERE expires IS NOT NULL AND expires <= ? ORDER BY expires LIMIT ?"
        return [Sidecar.model_validate_json(found[0]) for found in self._link.execute(query, (now, most))]

    def _number(self, sidecar: Sidecar) -> int:
        last: int = self._link.execute("SELECT coalesce(max(number), 0) FROM artifacts").fetchone()[0]
        wanted = number_at(sidecar.created)
        if wanted > last:
            return wanted
        taken = "SELECT 1 FROM artifacts WHERE number = ?"
        while self._link.execute(taken, (wanted,)).fetchone() is not None:
            wanted += 1
        return wanted

    def _link_parents(self, sidecar: Sidecar) -> None:
        pairs = ((parent, sidecar.id) for parent in sidecar.parents)
        self._link.executemany("INSERT OR IGNORE INTO links VALUES (?, ?)", pairs)


class Transaction:
    """`with` it: all of it, or nothing. One within another is a part of that."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link
        self._is_inner = link.in_transaction

    def __enter__(self) -> sqlite3.Connection:
        if not self._is_inner:
            self._link.execute("BEGIN IMMEDIATE")
        return self._link

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._is_inner:
            return
        try:
            if kind is None:
                self._link.execute("COMMIT")
        finally:
            if self._link.in_transaction:  # a full disk ends it by itself, but not always
                self._link.execute("ROLLBACK")


def _words(sidecar: Sidecar) -> tuple[str, str]:
    return owner_word(sidecar.owner), " ".join(words_kept(sidecar))


def _row(number: int, sidecar: Sidecar) -> tuple[object, ...]:
    what = (sidecar.id, sidecar.owner, sidecar.kind.value, sidecar.model, sidecar.purpose)
    return (number, *what, sidecar.size, sidecar.sha256, sidecar.expires, sidecar.model_dump_json())
