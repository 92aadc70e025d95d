"""The desk by itself, on a real file: a full disk, a second proxy, a fault of ours, work called off while it keeps."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from contract.artifacts import Sidecar
from contract.errors import ApiError
from contract.jobs import JobStatus
from proxy.artifacts.facts import Facts
from proxy.jobs.database import JobDatabase, Query
from proxy.jobs.desk import Jobs
from proxy.jobs.events import EventHub
from proxy.jobs.job import VIDEO, Job, Outcome, new_id
from proxy.jobs.limits import JobLimits
from proxy.jobs.store import JobStore
from proxy.jobs.turn import Turn
from proxy.jobs.work import Result
from proxy.traffic import Traffic
from tests.proxy.world import until

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
    """A Work: one artifact, as fast as it can be kept."""

    def __init__(self) -> None:
        self.fault: Exception | None = None

    async def make(self, turn: Turn) -> Result:
        await turn.watcher.begun()
        if self.fault is not None:
            raise self.fault
        return Result(Outcome((await turn.keep([b"clip"], Facts()),), (7,)), {"spritesheet": b"jpeg"})


class FullDisk(JobDatabase):
    """Takes so many updates as `room` says, then none."""

    room = 1000

    def update(self, job: Job, variants: Mapping[str, bytes]) -> bool:
        if not self.room:
            raise sqlite3.OperationalError("database or disk is full")
        self.room -= 1
        return super().update(job, variants)


class Desk:
    """Jobs, and what a test needs of what they are made of."""

    def __init__(self, folder: Path) -> None:
        self.keeper, self.making, self.traffic = MemoryKeeper(), Making(), Traffic()
        self.database = FullDisk(folder / "jobs.sqlite3")
        store, limits = JobStore(self.database), JobLimits(pause=0.01)
        self.jobs = Jobs(store, self.keeper, {VIDEO: self.making}, EventHub(), self.traffic, limits)

    async def create(self) -> Job:
        return await self.jobs.create(Job(new_id(VIDEO), VIDEO, "me", "filmer", 1, {"prompt": "a ball"}))

    async def over(self, job: Job) -> Job:
        await self.until(lambda: self.jobs.standing(job).course is None)
        return await self.jobs.find("me", job.id)

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
    assert (await desk.jobs.find("me", job.id)).status is JobStatus.IN_PROGRESS
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
    (job,) = await desk.jobs.page("me", Query())
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
    assert (await second.jobs.find("me", running.id)).runs == 2
    await second.jobs.close()
