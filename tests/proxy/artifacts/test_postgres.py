"""The store with its index in a real PostgreSQL, which goes away and comes back, and which others use, too."""

import asyncio
import shutil
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar, cast

import psycopg
import pytest

from contract.artifacts import ArtifactKind, Sidecar
from contract.errors import ApiError
from proxy.artifacts.facts import Facts, Query
from proxy.artifacts.index import QuotaExceeded
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.postgres.lookup import PostgresLookup
from proxy.artifacts.postgres.source import PostgresSource
from proxy.artifacts.store import ArtifactStore
from proxy.artifacts.words import owner_word
from proxy.postgres.line import Line, Pointer, Work
from tests.fakes.pictures import BLUE, png
from tests.harness.postgres import Postgres, server_at
from tests.proxy.artifacts.shop import ME, YOU, files, ids, note_index, shop, words
from tests.proxy.artifacts.test_indexes import sidecar
from tests.proxy.artifacts.test_killed import look, run
from tests.proxy.process import ROOT

pytestmark = pytest.mark.anyio

T = TypeVar("T")

TABLES = ("artifacts", "owners", "links", "gone")


@pytest.fixture
def root(tmp_path: Path, postgres_url: str) -> Path:
    """A folder whose index is in the database."""
    note_index(tmp_path, postgres_url)
    return tmp_path


async def refused(store: ArtifactStore) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await store.add(ME, b"x", Facts())
    return raised.value


def drop(url: str) -> None:
    with psycopg.connect(url) as link:
        for name in (*TABLES, "versions"):
            link.execute(f"DROP TABLE roundhouse_{name}")


async def test_a_database_that_is_empty_is_filled_from_the_sidecars(root: Path, postgres_url: str) -> None:
    async with shop(root) as store:
        made = [(await store.add(owner, b"%d" % n, words(f"number {n}"))).id for n in range(9) for owner in (ME, YOU)]
        child = await store.add(ME, b"child", Facts(parents=(made[0],)))
        await store.delete(ME, made.pop(4))
    drop(postgres_url)
    async with shop(root) as store:
        mine = await ids(store, limit=100)
        assert mine == [child.id, *(each for each in reversed(made) if each in set(mine))]
        assert sorted((*mine, *await ids(store, YOU, limit=100))) == sorted((*made, child.id))
        assert await ids(store, text="number 7") == [made[13]]
        assert (await store.entry(ME, made[0])).children == (child.id,)
        assert ((await store.used(ME)).count, (await store.used(YOU)).count) == (9, 9)


async def test_a_server_that_dies_is_told_of_by_its_setting_and_goes_on_when_it_is_back(
    root: Path, postgres: Postgres
) -> None:
    async with shop(root) as store:
        before = await store.add(ME, b"before", Facts())
        postgres.end()
        try:
            error = await refused(store)
            assert (error.status, error.code, error.headers["retry-after"]) == (503, "artifacts_unavailable", "2")
            assert "ROUNDHOUSE_DATABASE_URL" in error.message
            assert str(postgres.folder) not in error.message
            with pytest.raises(ApiError, match="ROUNDHOUSE_DATABASE_URL"):
                await store.delete(ME, before.id)
            with pytest.raises(ApiError, match="ROUNDHOUSE_DATABASE_URL"):
                await store.list(ME, Query())
        finally:
            postgres.start()
        after = await store.add(ME, b"after", Facts())
        assert await ids(store) == [after.id, before.id]
        assert {name.partition(".")[0] for name in files(root)} == {before.id, after.id}
        assert (await store.used(ME)).count == 2


async def test_writers_and_readers_bear_a_server_that_dies_in_their_midst(root: Path, postgres: Postgres) -> None:
    async with shop(root) as store:
        kept, refusals = list[str](), list[ApiError]()

        async def write(number: int) -> None:
            for turn in range(15):
                try:
                    kept.append((await store.add(ME, b"%d %d" % (number, turn), Facts())).id)
                    await store.list(ME, Query())
                except ApiError as error:
                    refusals.append(error)
                    await asyncio.sleep(0.05)

        async def strike() -> None:
            while len(kept) < 5:
                await asyncio.sleep(0)
            await asyncio.to_thread(postgres.end)
            await asyncio.to_thread(postgres.start)

        await asyncio.gather(strike(), *(write(number) for number in range(3)))
        assert {error.status for error in refusals} <= {503}
        await store.sweep()  # forgets what was added while nobody knew whether it was
        assert sorted(await ids(store, limit=100)) == sorted(kept)
        assert (await store.used(ME)).count == len(kept)
        assert {name.partition(".")[0] for name in files(root)} == set(kept)


async def test_a_store_opens_once_its_database_is_there(root: Path, postgres: Postgres) -> None:
    postgres.end()
    try:
        async with shop(root) as store:
            assert (await refused(store)).status == 503
            postgres.start()
            assert await ids(store) == []
            await store.add(ME, b"x", Facts())
    finally:
        postgres.end()
        postgres.start()


async def test_a_full_disk_of_the_database_is_told_and_nothing_is_kept(root: Path, postgres_url: str) -> None:
    full = "BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END"
    async with shop(root) as store:
        with psycopg.connect(postgres_url) as link:
            link.execute(f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ {full} $$")
            link.execute("CREATE TRIGGER t BEFORE INSERT ON roundhouse_artifacts EXECUTE FUNCTION full_disk()")
        error = await refused(store)
        assert (error.status, error.code) == (507, "storage_full")
        assert (files(root), await ids(store), (await store.used(ME)).count) == (set(), [], 0)
        with psycopg.connect(postgres_url) as link:
            link.execute("DROP TRIGGER t ON roundhouse_artifacts")
        await store.add(ME, b"x", Facts())


async def test_an_index_of_other_files_is_left_alone(tmp_path: Path, postgres_url: str) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for each in (mine, theirs):
        note_index(each, postgres_url)
    async with shop(mine) as store:
        made = await store.add(ME, b"x", Facts())
    async with shop(theirs) as store:
        assert (await refused(store)).status == 503
    mine.rename(tmp_path / "not mounted")
    async with shop(mine) as store:
        assert (await refused(store)).status == 503
    shutil.rmtree(mine)
    (tmp_path / "not mounted").rename(mine)
    async with shop(mine) as store:
        assert await ids(store) == [made.id]


async def test_tables_of_a_newer_version_are_left_alone(root: Path, postgres_url: str) -> None:
    async with shop(root):
        pass
    with psycopg.connect(postgres_url) as link:
        link.execute("UPDATE roundhouse_versions SET version = 99")
    async with shop(root) as store:
        assert (await refused(store)).status == 503


async def test_two_proxies_share_an_index_and_neither_lets_an_owner_exceed_a_quota(root: Path) -> None:
    async with shop(root, quota=1000) as one, shop(root, quota=1000) as other:
        stores = (one, other)
        adding = (stores[number % 2].add(ME, b"x" * 100, Facts()) for number in range(30))
        outcomes = await asyncio.gather(*adding, return_exceptions=True)
        kept = [outcome.id for outcome in outcomes if isinstance(outcome, Sidecar)]
        assert {outcome.code for outcome in outcomes if isinstance(outcome, ApiError)} == {"quota_exceeded"}
        assert sorted(await ids(one, limit=100)) == sorted(await ids(other, limit=100)) == sorted(kept)
        assert (len(kept), (await one.used(ME)).bytes, len(files(root))) == (10, 1000, 20)


@pytest.mark.parametrize("limits", [StoreLimits(quota=200), StoreLimits(count=20), StoreLimits(space=200)])
def test_a_limit_is_exact_however_many_write_at_once(postgres_url: str, limits: StoreLimits) -> None:
    """Without the files in between, which would part them."""
    source, refusals = PostgresSource(server_at(postgres_url)), list[QuotaExceeded]()
    source.open_index().close()

    def write(first: int) -> None:
        index = source.open_index()
        for number in range(first, first + 10):
            owner = (ME, YOU)[number % 2] if limits.space is not None else ME
            try:
                index.add(sidecar(number, owner=owner), limits)
            except QuotaExceeded as error:
                refusals.append(error)
        index.close()

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 10, 20, 30)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    index = source.open_index()
    assert (index.used(None).bytes, index.used(None).count, len(index.ids()), len(refusals)) == (200, 20, 20, 20)
    index.close()


ROWS = """
INSERT INTO roundhouse_artifacts
SELECT n, 'art_' || lpad(to_hex(n), 32, '0'), 'me', 'image', 'painter', NULL, 10, lpad(to_hex(n), 64, '0'), NULL,
    repeat('x', 600), array_to_tsvector(ARRAY[%(owner)s, 'every', 'rare' || lpad((n / 20)::text, 4, '0')])
FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
"""


class Counting(Line):
    """How many pages of tables and indexes all that was asked has looked at."""

    pages = 0

    def ask(self, work: Work[T]) -> T:
        return super().ask(lambda cursor: work(cast(Pointer, Explained(cursor, self))))


class Explained:
    """A cursor that asks everything twice."""

    def __init__(self, cursor: Pointer, line: Counting) -> None:
        self._cursor = cursor
        self._line = line

    def execute(self, text: str, values: Sequence[object]) -> Pointer:
        told = self._cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", values).fetchall()
        plan = told[0][0][0]["Plan"]
        self._line.pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return self._cursor.execute(text, values)


def pages_of(url: str, query: Query) -> int:
    with closing(Counting(server_at(url))) as line:
        PostgresLookup(line).page(ME, query)
        return line.pages


def test_what_is_looked_at_does_not_grow_with_what_is_kept(postgres_url: str) -> None:
    """Pages of the tables, which are the same on every machine, for listings and searches among 1,000 and 10,000."""
    PostgresSource(server_at(postgres_url)).open_index().close()
    first, most = 1, dict[str, list[int]]()
    for last in (1000, 10_000):
        with psycopg.connect(postgres_url, autocommit=True) as link:
            link.execute(ROWS, {"owner": owner_word(ME), "first": first, "last": last})
            link.execute("ANALYZE roundhouse_artifacts")
        first = last + 1
        for name, query in {
            "newest": Query(),
            "middle": Query(after=f"c{last // 2:x}"),
            "kind": Query(kinds=(ArtifactKind.AUDIO,)),
            "model": Query(model="painter", oldest_first=True),
            "every": Query(text="every"),
            "rare": Query(text="every rare0033"),
            "none": Query(text="every nothing"),
        }.items():
            most.setdefault(name, []).append(pages_of(postgres_url, query))
    assert all(0 < large < 2 * small + 20 for small, large in most.values()), most


@pytest.mark.parametrize("verb", ["add", "remove"])
async def test_killed_between_any_two_statements_it_is_whole_or_absent(
    tmp_path: Path, postgres: Postgres, verb: str
) -> None:
    source, root = tmp_path / "source", tmp_path / "killed"
    async with shop(source) as store:
        before = (await store.add(ME, png(colour=BLUE), Facts(prompt="before"))).id
        if verb == "remove":
            await store.add(ME, png(), Facts(prompt="small", poster=png(8, 8)))
    what = (sys.executable, "-m", "tests.proxy.artifacts.killed")
    program = await asyncio.create_subprocess_exec(*what, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    outcomes, step, met = set[int](), 0, "killed"
    try:
        while met == "killed":
            step += 1
            shutil.copytree(source, root)
            note_index(root, postgres.new_url())
            met = await run(program, root, verb, step)
            outcomes.add(len(await look(root, before)))
            shutil.rmtree(root)
    finally:
        await program.communicate(b"")  # with which its input ends
    assert met == str(step - 1)
    assert step > 5
    assert outcomes == {1, 2}
