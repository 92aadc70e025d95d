"""The desk by itself, on a real file: a full disk, a second proxy, a fault of ours, work called off while it keeps."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic, time
from typing import Any

import msgspec
import pytest

from contract.artifacts import Sidecar
from contract.errors import ApiError
from contract.jobs import JobStatus
from contract.keys import KeyLimits
from contract.prometheus import Exposition
from proxy.access.allowance import OWN_LIMITS
from proxy.access.charge import Charges
from proxy.access.keyring import Keyring
from proxy.access.keys import Key
from proxy.artifacts.facts import Facts
from proxy.jobs.counts import JobCounts
from proxy.jobs.database import JobDatabase, Query
from proxy.jobs.desk import Jobs
from proxy.jobs.events import EventHub
from proxy.jobs.job import VIDEO, Job, Outcome, new_id
from proxy.jobs.limits import JobLimits
from proxy.jobs.store import JobStore
from proxy.jobs.turn import Tools, Turn
from proxy.jobs.work import Result
from proxy.traffic import Traffic
from tests.proxy.scraped import Scrape
from tests.proxy.world import PATIENCE, until

pytestmark = pytest.mark.anyio

FULL = ApiError(507, "storage_full", "The disk is full.")


class MemoryKeeper:
    """A Keeper. `gate` holds up what is to be kept; `trouble` is raised instead."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.trouble: ApiError | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.keeping = asyncio.Event()

    async def keep(self, owner: str, content: Sequence[bytes], facts: Facts) -> str:
        self.keeping.set()
        await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        artifact_id = f"art_{len(self.kept)}"
        self.kept[artifact_id] = b"".join(content)
        return artifact_id

    async def read(self, owner: str, artifact_id: str) -> bytes:
        return self.kept[artifact_id]

    async def remove(self, owner: str, artifact_id: str) -> None:
        if self.kept.pop(artifact_id, None) is None:
            raise ApiError(404, "not_found", "It is not there.")

    async def find(self, owner: str, model: str, filename: str) -> Sidecar | None:
        return None

    async def require_picture(self, owner: str, artifact_id: str, param: str) -> str:
        return artifact_id


class Making:
    """A Work: one artifact, as fast as it can be kept once the gate is open."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def make(self, turn: Turn) -> Result:
        await turn.watcher.begun()
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return Result(Outcome((await turn.keep([b"clip"], Facts()),), (7,)), {"spritesheet": b"jpeg"})


class FullDisk(JobDatabase):
    """Takes so many updates as `room` says, then none. `lost`: another proxy has had the jobs."""

    room = 1000
    lost = False

    def is_lost(self) -> bool:
        return self.lost

    def not_over(self) -> list[Job]:
        self.lost = False
        return super().not_over()

    def update(self, job: Job, variants: Mapping[str, bytes]) -> bool:
        if not self.room:
            raise sqlite3.OperationalError("database or disk is full")
        self.room -= 1
        return super().update(job, variants)


class Desk:
    """Jobs, and what a test needs of what they are made of."""

    def __init__(self, folder: Path, **bounds: Any) -> None:  # noqa: ANN401
        self.keeper, self.making, self.traffic = MemoryKeeper(), Making(), Traffic()
        self.database = FullDisk(folder / "jobs.sqlite3")
        self.ring = Keyring(None, monotonic)
        tools = Tools(JobStore(self.database), self.keeper, EventHub(), self.traffic, JobCounts())
        charges, limits = Charges(self.ring, OWN_LIMITS, monotonic), JobLimits(pause=0.01, **bounds)
        self.jobs = Jobs(tools, {VIDEO: self.making}, charges, limits, "waiting for {}".format)

    async def create(self, **more: Any) -> Job:  # noqa: ANN401
        job = Job(new_id(VIDEO), VIDEO, "me", "filmer", int(time()), {"prompt": "a ball"}, **more)
        return (await self.jobs.create(job)).job

    async def find(self, job: Job) -> Job:
        return (await self.jobs.find("me", job.id)).job

    async def over(self, job: Job) -> Job:
        async with asyncio.timeout(PATIENCE):
            while not (found := await self.find(job)).is_over:
                await asyncio.sleep(0.005)
        return found

    def scrape(self) -> Scrape:
        out = Exposition()
        self.jobs.write_metrics(out)
        return Scrape.read(out.encode())

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(condition)


async def test_a_full_store_fails_the_job_loses_nothing_and_the_next_is_made_when_there_is_room(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.jobs.start()
    desk.keeper.trouble = FULL
    failed = await desk.over(await desk.create())
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == (JobStatus.FAILED, "storage_full")
    desk.keeper.trouble = None
    assert (await desk.over(await desk.create())).status is JobStatus.COMPLETED
    assert desk.traffic.in_flight == 0
    await desk.jobs.close()


async def test_an_end_that_cannot_be_written_down_is_not_told_before_it_is(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.jobs.start()
    desk.database.room = 1  # that it was begun
    job = await desk.create()
    await desk.until(lambda: desk.database.room == 0 and bool(desk.keeper.kept))
    assert (await desk.find(job)).status is JobStatus.IN_PROGRESS
    desk.database.room = 1000
    assert (await desk.over(job)).status is JobStatus.COMPLETED
    await desk.jobs.close()


async def test_a_fault_of_ours_fails_the_job_and_not_the_queue(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.jobs.start()
    desk.making.fault = ZeroDivisionError("secret")
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))
    failed = await desk.over(await desk.create())
    assert failed.failure is not None
    assert (failed.failure.code, "secret" in failed.failure.message) == ("server_error", False)
    desk.making.fault = None
    assert (await desk.over(await desk.create())).status is JobStatus.COMPLETED
    await desk.jobs.close()


async def test_a_job_that_is_called_off_while_its_clip_is_being_kept_leaves_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.jobs.start()
    desk.keeper.gate.clear()
    job = await desk.create()
    await desk.keeper.keeping.wait()
    removing = asyncio.ensure_future(desk.jobs.remove("me", job.id))
    await asyncio.sleep(0)
    desk.keeper.gate.set()
    await removing
    assert desk.keeper.kept == {}
    assert await desk.jobs.page("me", Query()) == []
    await desk.jobs.close()


async def test_a_caller_who_leaves_while_a_job_is_handed_in_has_handed_it_in(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.jobs.start()
    creating = asyncio.ensure_future(desk.create())
    await asyncio.sleep(0)
    creating.cancel()
    await asyncio.wait((creating,))
    assert creating.cancelled()
    await desk.until(lambda: bool(desk.keeper.kept))
    ((job, _),) = await desk.jobs.page("me", Query())
    assert (await desk.over(job)).status is JobStatus.COMPLETED
    await desk.jobs.close()


async def test_a_second_proxy_hands_in_nothing_until_the_first_lets_go_and_then_goes_on_with_its_jobs(
    tmp_path: Path,
) -> None:
    first, second = Desk(tmp_path), Desk(tmp_path)
    await first.jobs.start()
    first.keeper.gate.clear()
    running, waiting = await first.create(), await first.create()
    await first.keeper.keeping.wait()
    await second.jobs.start()
    with pytest.raises(ApiError) as raised:
        await second.create()
    assert (raised.value.status, raised.value.code) == (503, "jobs_unavailable")
    closing = asyncio.ensure_future(first.jobs.close())
    await asyncio.sleep(0)
    first.keeper.gate.set()
    await closing
    await second.until(lambda: len(second.keeper.kept) == 2)
    assert [(await second.over(each)).status for each in (running, waiting)] == 2 * [JobStatus.COMPLETED]
    assert (await second.find(running)).runs == 2
    await second.jobs.close()


async def test_a_failure_is_told_though_the_disk_takes_no_note_of_it_and_written_down_when_it_does(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    await desk.jobs.start()
    desk.keeper.trouble = FULL
    desk.database.room = 1  # that it was begun
    failed = await desk.over(await desk.create())
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == (JobStatus.FAILED, "storage_full")
    assert desk.database.find("me", failed.id) != failed
    desk.database.room = 1000
    await desk.until(lambda: desk.database.find("me", failed.id) == failed)
    await desk.jobs.close()


async def test_jobs_that_another_proxy_has_had_are_let_go_and_taken_up_as_they_are_now(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.jobs.start()
    desk.making.gate.clear()
    running, waiting = await desk.create(), await desk.create()
    await desk.until(lambda: desk.traffic.in_flight == 1)
    desk.database.update(msgspec.structs.replace(waiting, status=JobStatus.FAILED), {})  # by the other
    desk.database.lost = True
    await desk.until(lambda: not desk.database.lost)
    desk.making.gate.set()
    over = await desk.over(running)
    assert (over.status, over.runs) == (JobStatus.COMPLETED, 2)
    assert (await desk.find(waiting)).status is JobStatus.FAILED
    await desk.jobs.close()


async def test_of_many_who_hand_in_at_once_no_more_are_taken_than_there_is_room_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path, of_owner=5)
    await desk.jobs.start()
    desk.making.gate.clear()
    answers = await asyncio.gather(*(desk.create() for _ in range(12)), return_exceptions=True)
    refused = [each.code for each in answers if isinstance(each, ApiError)]
    assert refused == 7 * ["too_many_jobs"]
    assert len(await desk.jobs.page("me", Query())) == 5
    desk.making.gate.set()
    await desk.jobs.close()


# What was, for a time


async def test_a_job_that_is_over_is_known_for_its_time_and_what_it_made_stays(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lifetime=1000.0)
    await desk.jobs.start()
    old, fresh = await desk.over(await desk.create()), await desk.over(await desk.create())
    assert fresh.completed is not None
    assert fresh.expires == fresh.completed + 1000
    assert await desk.jobs.sweep() == 0
    desk.database.update(msgspec.structs.replace(old, completed=old.created - 1001), {})
    assert await desk.jobs.sweep() == 1
    assert [told.job.id for told in await desk.jobs.page("me", Query())] == [fresh.id]
    assert await desk.jobs.variant(old.id, "spritesheet") is None
    assert len(desk.keeper.kept) == 2
    await desk.jobs.close()


async def test_jobs_that_are_not_over_are_never_swept(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lifetime=0.0)
    await desk.jobs.start()
    desk.keeper.gate.clear()
    running, waiting = await desk.create(), await desk.create()
    await desk.keeper.keeping.wait()
    assert await desk.jobs.sweep() == 0
    desk.keeper.gate.set()
    for job in (running, waiting):
        assert (await desk.over(job)).status is JobStatus.COMPLETED
    assert await desk.jobs.sweep() == 2
    await desk.jobs.close()


# Their keys


def key(key_id: str, most: int | None = None, models: frozenset[str] | None = None) -> Key:
    return Key(key_id, b"", key_id, None, False, models, KeyLimits(concurrent_requests=most))


async def test_a_job_that_waits_fails_when_its_key_is_revoked_or_may_not_use_its_model_any_more(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ring.take([key("a"), key("b"), key("c")], {}, True)
    await desk.jobs.start()
    desk.keeper.gate.clear()
    running, revoked, narrowed = [await desk.create(key=name) for name in "abc"]
    await desk.keeper.keeping.wait()
    desk.ring.take([key("c", models=frozenset({"painter"}))], {}, True)
    failures = [(await desk.over(each)).failure for each in (revoked, narrowed)]
    assert [each and each.code for each in failures] == ["key_revoked", "model_not_allowed"]
    desk.keeper.gate.set()
    assert (await desk.over(running)).status is JobStatus.COMPLETED, "it had begun"
    await desk.jobs.close()


async def test_a_job_has_its_place_among_its_keys_requests_and_lets_others_by_while_it_has_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ring.take([key("a", 1), key("b", 1)], {}, True)
    await desk.jobs.start()
    grant = desk.ring.of("a")
    assert grant is not None
    (allowance,) = grant.allowances
    OWN_LIMITS.take((allowance,), 0, 0.0)  # a request of the key runs
    held, free = await desk.create(key="a"), await desk.create(key="b")
    assert (await desk.over(free)).status is JobStatus.COMPLETED
    found, standing = await desk.jobs.find("me", held.id)
    assert standing is not None
    assert (found.status, standing.waits_for) == (JobStatus.QUEUED, "another request of its key to end")
    OWN_LIMITS.settle((allowance,), (0,), 0)
    assert (await desk.over(held)).status is JobStatus.COMPLETED
    assert allowance.running == 0
    await desk.jobs.close()


async def test_what_jobs_went_through_is_counted(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.jobs.start()
    await desk.over(await desk.create())
    desk.keeper.trouble = FULL
    await desk.over(await desk.create())
    desk.keeper.trouble = None
    desk.keeper.gate.clear()
    desk.keeper.keeping.clear()
    running, waiting = await desk.create(), await desk.create()
    await desk.keeper.keeping.wait()
    seen = desk.scrape()
    assert [seen.value("roundhouse_jobs", kind="video", state=state) for state in ("queued", "in_progress")] == [1, 1]
    assert seen.value("roundhouse_jobs_waiting", model="filmer") == 1
    ended = "roundhouse_jobs_ended_total"
    assert [seen.value(ended, state=state) for state in ("completed", "failed")] == [1, 1]
    assert seen.value("roundhouse_job_waited_seconds_count", model="filmer") == 3
    assert seen.value("roundhouse_job_ran_seconds_count", model="filmer") == 2
    desk.keeper.gate.set()
    await desk.jobs.remove("me", waiting.id)
    await desk.over(running)
    assert desk.scrape().value(ended, state="deleted") == 1
    await desk.jobs.close()
