"""Jobs in a file and in a PostgreSQL: the same is told of both, and one proxy alone has them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from contract.errors import ApiError
from contract.jobs import JobStatus
from proxy.jobs.database import JobDatabase, Query
from proxy.jobs.job import IMAGE, VIDEO, Job, Outcome, new_id
from proxy.jobs.kept import JobsElsewhere, KeptJobs
from proxy.jobs.postgres_jobs import PostgresJobs
from proxy.jobs.store import JobStore
from proxy.postgres.errors import DatabaseAbsent
from tests.harness.postgres import Postgres, server_at

Open = Callable[[], KeptJobs]


def job(owner: str = "me", kind: str = VIDEO) -> Job:
    return Job(new_id(kind), kind, owner, "filmer", 1, {"prompt": "a ball \0 \U0001f600"})


def over(one: Job) -> Job:
    outcome = Outcome(("art_1",), (7,), "64x48", 8, 16, 2.0)
    return Job(one.id, one.kind, one.owner, one.model, 1, one.request, JobStatus.COMPLETED, outcome=outcome)


@pytest.fixture(params=["sqlite", "postgres"])
def open_jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """One more proxy's jobs, in one place."""
    if request.param == "sqlite":
        return lambda: JobDatabase(tmp_path / "deep" / "jobs.sqlite3")
    url = request.getfixturevalue("postgres_url")
    return lambda: PostgresJobs(server_at(url, rest=0.0))


@pytest.fixture
def in_database(postgres_url: str) -> Open:
    return lambda: PostgresJobs(server_at(postgres_url, rest=0.0))


@pytest.fixture
def jobs(open_jobs: Open) -> Iterator[KeptJobs]:
    with closing(open_jobs()) as opened:
        yield opened


def test_what_was_written_is_there_for_the_next_proxy(open_jobs: Open) -> None:
    first, second, picture = job(), job(), job(kind=IMAGE)
    with closing(open_jobs()) as jobs:
        assert (jobs.not_over(), jobs.page("me", Query()), jobs.find("me", first.id)) == ([], [], None)
        for each in (first, second, picture):
            jobs.add(each)
        assert jobs.update(over(first), {"spritesheet": b"jpeg", "thumbnail": b"\0webp"})
        assert jobs.update(over(first), {"spritesheet": b"another"})
    with closing(open_jobs()) as jobs:
        assert jobs.not_over() == [second, picture]
        assert jobs.oldest(9) == [over(first)]
        assert jobs.find("me", first.id) == over(first)
        assert jobs.find("you", first.id) is None
        assert jobs.find("me", "\0") is None
        assert jobs.variant(first.id, "spritesheet") == b"another"
        assert jobs.variant(first.id, "thumbnail") == b"\0webp"
        assert not jobs.is_lost()


def test_a_listing_has_pages_in_either_order_of_one_owner_and_kind(jobs: KeptJobs) -> None:
    made = [job(kind=(VIDEO, IMAGE)[number % 2]) for number in range(5)]
    for each in (*made, job("you")):
        jobs.add(each)
    assert jobs.page("me", Query()) == made[::-1]
    assert jobs.page("me", Query(limit=2, after=made[3].id)) == [made[2], made[1]]
    assert jobs.page("me", Query(limit=2, after=made[1].id, ascending=True)) == made[2:4]
    assert jobs.page("me", Query(IMAGE)) == [made[3], made[1]]
    assert jobs.page("you", Query(after=made[1].id)) == []


def test_what_is_removed_is_gone_with_its_pictures_and_does_not_come_back(jobs: KeptJobs) -> None:
    one = job()
    jobs.add(one)
    jobs.update(one, {"spritesheet": b"jpeg"})
    jobs.remove(one.id)
    assert (jobs.find("me", one.id), jobs.variant(one.id, "spritesheet")) == (None, None)
    assert not jobs.update(over(one), {"spritesheet": b"jpeg"})
    assert jobs.variant(one.id, "spritesheet") is None


def test_one_proxy_alone_changes_the_jobs_of_a_database_and_all_may_read_them(in_database: Open) -> None:
    one = job()
    with closing(in_database()) as first, closing(in_database()) as second:
        first.add(one)
        for change in (second.not_over, lambda: second.add(job()), lambda: second.remove(one.id)):
            with pytest.raises(JobsElsewhere):
                change()
        assert second.find("me", one.id) == one
        first.close()
        assert second.not_over() == [one]


def test_who_lost_its_connection_goes_on_where_nobody_else_had_the_jobs(in_database: Open, postgres: Postgres) -> None:
    one = job()
    with closing(in_database()) as jobs:
        jobs.add(one)
        postgres.end()
        try:
            with pytest.raises(DatabaseAbsent, match="connection"):
                jobs.update(over(one), {})
            with pytest.raises(DatabaseAbsent, match="connection"):
                jobs.is_lost()
        finally:
            postgres.start()
        assert not jobs.is_lost()
        assert jobs.update(over(one), {})


def test_who_lost_its_connection_to_another_proxy_changes_nothing_until_it_begins_anew(
    in_database: Open, postgres_url: str
) -> None:
    one = job()
    with closing(in_database()) as first, closing(in_database()) as second:
        first.add(one)
        with psycopg.connect(postgres_url, autocommit=True) as link:
            link.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                "AND objid = 'roundhouse_jobs'::regclass"
            )
        assert second.not_over() == [one]
        with pytest.raises(JobsElsewhere):
            first.update(over(one), {})
        assert not first.is_lost()  # it cannot know yet: it may be its own connection that still has them
        second.update(over(one), {})
        second.close()
        assert first.is_lost()
        with pytest.raises(JobsElsewhere):
            first.update(one, {})
        assert first.is_lost()
        assert first.not_over() == []
        assert not first.is_lost()
        first.add(job())


@pytest.mark.anyio
async def test_what_becomes_of_the_database_is_told_as_what_becomes_of_the_file(
    in_database: Open, postgres_url: str, postgres: Postgres
) -> None:
    store, other = JobStore(in_database()), JobStore(in_database())
    await store.add(job())
    with pytest.raises(ApiError, match="Another proxy") as elsewhere:
        await other.add(job())
    full = "BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END"
    with psycopg.connect(postgres_url) as link:
        link.execute(f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ {full} $$")
        link.execute("CREATE TRIGGER t BEFORE INSERT ON roundhouse_jobs EXECUTE FUNCTION full_disk()")
    with pytest.raises(ApiError, match="no room") as filled:
        await store.add(job())
    await asyncio.to_thread(postgres.end)
    try:
        with pytest.raises(ApiError, match="ROUNDHOUSE_DATABASE_URL") as away:
            await store.page("me", Query())
        assert not await store.is_lost()
    finally:
        await asyncio.to_thread(postgres.start)
    assert len(await store.page("me", Query())) == 1
    await store.close()
    await other.close()
    told = [(raised.value.status, raised.value.code) for raised in (elsewhere, filled, away)]
    assert told == [(503, "jobs_unavailable"), (507, "storage_full"), (503, "jobs_unavailable")]
