"""The file of the jobs: SQLite, written through to the disk. Its calls block: `store.py` makes them elsewhere.

It is made at the first write. Its errors are sqlite3.Error, OSError and msgspec.DecodeError.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from contract.jobs import JobStatus
from proxy.jobs.job import Job
from proxy.sqlite_file import Layout, connect, make

LAYOUT = Layout(
    version=1,
    is_exclusive=True,  # two proxies would both begin the jobs that wait in it
    schema="""
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, kind TEXT NOT NULL,
    status TEXT NOT NULL, document BLOB NOT NULL
) STRICT;
CREATE INDEX jobs_of_owner ON jobs (owner, number);
CREATE INDEX jobs_not_over ON jobs (number) WHERE status IN ('queued', 'in_progress');
CREATE TABLE variants (
    id TEXT NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (id, name)
) STRICT, WITHOUT ROWID;
""",
)
PAGE = "SELECT document FROM jobs WHERE owner = ? {kind} {after} ORDER BY number {order} LIMIT ?"

_DECODER = msgspec.json.Decoder(Job)


class Query(NamedTuple):
    """One page of an owner's jobs. `after` is the id of the last that was seen; `kind` None is every kind."""

    kind: str | None = None
    after: str | None = None
    limit: int = 20
    ascending: bool = False


class JobDatabase:
    """Belongs to one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._link: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def is_lost(self) -> bool:
        """The file is this proxy's for as long as it is open."""
        return False

    def add(self, job: Job) -> None:
        row = (job.id, job.owner, job.kind, job.status.value, msgspec.json.encode(job))
        self._open().execute("INSERT INTO jobs (id, owner, kind, status, document) VALUES (?, ?, ?, ?, ?)", row)

    def update(self, job: Job, variants: Mapping[str, bytes]) -> bool:
        """The job as it is now, and the pictures that belong to it -> whether it is there still."""
        link = self._open()
        with link:
            link.execute("BEGIN IMMEDIATE")
            row = (job.status.value, msgspec.json.encode(job), job.id)
            changed = link.execute("UPDATE jobs SET status = ?, document = ? WHERE id = ?", row).rowcount
            if changed:
                rows = [(job.id, name, content) for name, content in variants.items()]
                link.executemany("INSERT OR REPLACE INTO variants VALUES (?, ?, ?)", rows)
        return changed > 0

    def remove(self, job_id: str) -> None:
        link = self._open()
        with link:
            link.execute("BEGIN IMMEDIATE")
            link.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            link.execute("DELETE FROM variants WHERE id = ?", (job_id,))

    def find(self, owner: str, job_id: str) -> Job | None:
        """An owner's job. Another's is as if there were none."""
        if not self._path.exists():
            return None
        sql = "SELECT document FROM jobs WHERE id = ? AND owner = ?"
        row = self._open().execute(sql, (job_id, owner)).fetchone()
        return _DECODER.decode(row[0]) if row is not None else None

    def variant(self, job_id: str, name: str) -> bytes | None:
        sql = "SELECT content FROM variants WHERE id = ? AND name = ?"
        row: tuple[bytes] | None = self._open().execute(sql, (job_id, name)).fetchone()
        return row[0] if row is not None else None

    def page(self, owner: str, query: Query) -> list[Job]:
        """At most `query.limit` jobs, newest first unless it says otherwise."""
        if not self._path.exists():
            return []
        values: list[object] = [owner]
        kind = after = ""
        if query.kind is not None:
            kind = "AND kind = ?"
            values.append(query.kind)
        if query.after is not None:
            sign = ">" if query.ascending else "<"
            after = f"AND number {sign} (SELECT number FROM jobs WHERE id = ? AND owner = ?)"
            values += [query.after, owner]
        sql = PAGE.format(kind=kind, after=after, order="ASC" if query.ascending else "DESC")
        rows = self._open().execute(sql, (*values, query.limit))
        return [_DECODER.decode(document) for (document,) in rows]

    def not_over(self) -> list[Job]:
        """The jobs that wait or were begun, oldest first."""
        if not self._path.exists():
            return []
        sql = "SELECT document FROM jobs WHERE status IN (?, ?) ORDER BY number"
        rows = self._open().execute(sql, (JobStatus.QUEUED.value, JobStatus.IN_PROGRESS.value))
        return [_DECODER.decode(document) for (document,) in rows]

    def oldest(self, most: int) -> list[Job]:
        """The jobs that are over, oldest first, at most so many."""
        if not self._path.exists():
            return []
        sql = "SELECT document FROM jobs WHERE status NOT IN (?, ?) ORDER BY number LIMIT ?"
        rows = self._open().execute(sql, (JobStatus.QUEUED.value, JobStatus.IN_PROGRESS.value, most))
        return [_DECODER.decode(document) for (document,) in rows]

    def _open(self) -> sqlite3.Connection:
        if self._link is None:
            if not self._path.exists():
                make(self._path)
            self._link = connect(self._path, LAYOUT)
        return self._link
