"""The jobs in a PostgreSQL. Its calls block: `store.py` makes them elsewhere.

Any proxy may read. Who changes jobs holds a lock that ends with its connection. When that was lost and is there again,
a word that each holder writes down tells whether another has had the jobs in between: then they are not taken back.
"""

import logging
import secrets
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from contract.jobs import JobStatus
from proxy.jobs.database import Query
from proxy.jobs.job import Job
from proxy.jobs.kept import JobsElsewhere
from proxy.postgres.line import Line, Pointer, Work
from proxy.postgres.server import PostgresServer
from proxy.postgres.tables import make_tables

T = TypeVar("T")

PART, VERSION = "jobs", 1
SCHEMA = """
CREATE TABLE roundhouse_jobs (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE,
    owner text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL, status text COLLATE "C" NOT NULL,
    document bytea NOT NULL
);
CREATE INDEX roundhouse_jobs_of_owner ON roundhouse_jobs (owner, number);
CREATE INDEX roundhouse_jobs_not_over ON roundhouse_jobs (number) WHERE status IN ('queued', 'in_progress');
CREATE TABLE roundhouse_variants (
    id text COLLATE "C", name text COLLATE "C", content bytea NOT NULL, PRIMARY KEY (id, name)
);
"""
# Of these very tables: a database may hold others', in schemas of their own.
LOCK = "SELECT pg_try_advisory_lock((1382574416::bigint << 32) | 'roundhouse_jobs'::regclass::oid::bigint)"
HOLDER = "SELECT mark FROM roundhouse_versions WHERE part = %s FOR UPDATE"
HOLD = "UPDATE roundhouse_versions SET mark = %s WHERE part = %s"
ADD = (
    "INSERT INTO roundhouse_jobs (id, owner, kind, status, document) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
VARIANT = (
    "INSERT INTO roundhouse_variants VALUES (%s, %s, %s) ON CONFLICT (id, name) "
    "DO UPDATE SET content = excluded.content"
)
PAGE = "SELECT document FROM roundhouse_jobs WHERE owner = %s {kind} {after} ORDER BY number {order} LIMIT %s"
NOT_OVER = (JobStatus.QUEUED.value, JobStatus.IN_PROGRESS.value)

_DECODER = msgspec.json.Decoder(Job)
_logger = logging.getLogger("roundhouse.proxy.jobs")


class PostgresJobs:
    """A `KeptJobs`, as the protocol describes it."""

    def __init__(self, server: PostgresServer) -> None:
        self._line = Line(server, self._greet)
        self._is_made = False
        self._holds = False  # on this connection
        self._word: str | None = None  # of the one who holds them, which is written down
        self._lost = False

    def close(self) -> None:
        self._line.close()

    def is_lost(self) -> bool:
        if self._word is not None and not self._lost:
            try:
                self._change(lambda cursor: None)
            except JobsElsewhere:
                return self._lost
        return self._lost

    def add(self, job: Job) -> None:
        row = (job.id, job.owner, job.kind, job.status.value, msgspec.json.encode(job))
        self._change(lambda cursor: cursor.execute(ADD, row))

    def update(self, job: Job, variants: Mapping[str, bytes]) -> bool:
        def work(cursor: Pointer) -> bool:
            text = "UPDATE roundhouse_jobs SET status = %s, document = %s WHERE id = %s"
            changed = cursor.execute(text, (job.status.value, msgspec.json.encode(job), job.id)).rowcount
            if changed and variants:
                cursor.executemany(VARIANT, [(job.id, name, content) for name, content in variants.items()])
            return changed > 0

        return self._change(work)

    def remove(self, job_id: str) -> None:
        def work(cursor: Pointer) -> None:
            cursor.execute("DELETE FROM roundhouse_jobs WHERE id = %s", (job_id,))
            cursor.execute("DELETE FROM roundhouse_variants WHERE id = %s", (job_id,))

        self._change(work)

    def find(self, owner: str, job_id: str) -> Job | None:
        if "\0" in job_id:
            return None  # no text of PostgreSQL can hold it
        found = self._jobs("SELECT document FROM roundhouse_jobs WHERE id = %s AND owner = %s", job_id, owner)
        return found[0] if found else None

    def variant(self, job_id: str, name: str) -> bytes | None:
        text = "SELECT content FROM roundhouse_variants WHERE id = %s AND name = %s"
        found = self._ask(lambda cursor: cursor.execute(text, (job_id, name)).fetchone())
        return found[0] if found is not None else None

    def page(self, owner: str, query: Query) -> list[Job]:
        values: list[object] = [owner]
        kind = after = ""
        if query.kind is not None:
            kind = "AND kind = %s"
            values.append(query.kind)
        if query.after is not None:
            sign = ">" if query.ascending else "<"
            after = f"AND number {sign} (SELECT number FROM roundhouse_jobs WHERE id = %s AND owner = %s)"
            values += [query.after.replace("\0", ""), owner]
        text = PAGE.format(kind=kind, after=after, order="ASC" if query.ascending else "DESC")
        return self._jobs(text, *values, query.limit)

    def not_over(self) -> list[Job]:
        if self._lost:
            self._word, self._lost = None, False
        text = "SELECT document FROM roundhouse_jobs WHERE status IN (%s, %s) ORDER BY number"
        return _decoded(self._change(lambda cursor: cursor.execute(text, NOT_OVER).fetchall()))

    def oldest(self, most: int) -> list[Job]:
        text = "SELECT document FROM roundhouse_jobs WHERE status NOT IN (%s, %s) ORDER BY number LIMIT %s"
        return self._jobs(text, *NOT_OVER, most)

    def _jobs(self, text: str, *values: object) -> list[Job]:
        return _decoded(self._ask(lambda cursor: cursor.execute(text, values).fetchall()))

    def _ask(self, work: Work[T]) -> T:
        self._make()
        return self._line.ask(work)

    def _change(self, work: Work[T]) -> T:
        """By the holder alone."""
        self._make()

        def held(cursor: Pointer) -> T:
            self._require(cursor)
            return work(cursor)

        try:
            result = self._line.change(held)
        finally:
            if self._lost:
                self._line.close()  # and the lock with it
        if not self._holds:
            _logger.info("the jobs in the database are this proxy's")
        self._holds = True
        return result

    def _require(self, cursor: Pointer) -> None:
        if self._lost:
            raise JobsElsewhere("another proxy has had the jobs meanwhile")
        if self._holds:
            return
        if not cursor.execute(LOCK).fetchall()[0][0]:
            raise JobsElsewhere("another proxy has the jobs")
        ((holder,),) = cursor.execute(HOLDER, (PART,)).fetchall()
        if self._word is not None and holder != self._word:
            self._lost = True
            raise JobsElsewhere("another proxy has had the jobs meanwhile")
        self._word = self._word or secrets.token_hex(16)
        cursor.execute(HOLD, (self._word, PART))

    def _greet(self, cursor: Pointer) -> None:
        self._holds = False

    def _make(self) -> None:
        if not self._is_made:
            self._line.change(lambda cursor: make_tables(cursor, PART, VERSION, SCHEMA))
            self._is_made = True


def _decoded(rows: list[tuple[Any, ...]]) -> list[Job]:
    return [_DECODER.decode(document) for (document,) in rows]
