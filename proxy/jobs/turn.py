"""One job that is not over: what is known of it, and what its work does with it."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from contract.artifacts import Sidecar
from contract.errors import ApiError
from contract.jobs import JobStage, JobStatus
from proxy.access.charge import Place
from proxy.artifacts.facts import Facts
from proxy.jobs.counts import JobCounts
from proxy.jobs.course import Course
from proxy.jobs.engine import Watcher
from proxy.jobs.events import EventHub
from proxy.jobs.job import Job
from proxy.jobs.keeper import Keeper
from proxy.jobs.store import NO_VARIANTS, JobStore
from proxy.traffic import WORK, Traffic

T = TypeVar("T")


@dataclass(frozen=True)
class Tools:
    """What every turn is made with."""

    store: JobStore
    keeper: Keeper
    hub: EventHub
    traffic: Traffic
    counts: JobCounts


class Turn:
    """`job` is what is on the disk, but for an end that the disk does not take yet.

    has_begun: an engine is at work on it, and a stop waits for its end
    is_off: it was called off before it stood in a queue
    place: among the concurrent requests of the job's key
    """

    def __init__(self, job: Job, tools: Tools) -> None:
        self.job = job
        self.course = Course()
        self.has_begun = False
        self.is_off = False
        self.kept: list[str] = []  # artifacts that were made for it
        self.task: asyncio.Task[None] | None = None
        self.place: Place | None = None
        self._tools = tools
        self._loop = asyncio.get_running_loop()
        self._began = 0.0

    @property
    def watcher(self) -> Watcher:
        """Whom an engine's news are told to."""
        return Watcher(self._begin, self._step)

    def enter(self, stage: JobStage, model: str) -> None:
        """The next stage of its work."""
        self.course.begin(stage, model)

    async def change(self, variants: Mapping[str, bytes] = NO_VARIANTS, **changes: Any) -> Job:  # noqa: ANN401
        """What is new of the job, on the disk when this returns. Raises ApiError, and then nothing has changed."""
        job = msgspec.structs.replace(self.job, **changes)
        await self._tools.store.update(job, variants)
        self.job = job
        return job

    def show(self, **changes: Any) -> None:  # noqa: ANN401
        """What is new of the job, though the disk does not take it yet."""
        self.job = msgspec.structs.replace(self.job, **changes)

    async def keep(self, content: Sequence[bytes], facts: Facts) -> str:
        """An artifact of the job's. Who is called off meanwhile knows of it all the same. Raises ApiError."""
        adding = asyncio.ensure_future(self._tools.keeper.keep(self.job.owner, content, facts))
        try:
            artifact_id = await asyncio.shield(adding)
        except asyncio.CancelledError:
            await asyncio.wait((adding,))
            if not adding.cancelled() and adding.exception() is None:
                self.kept.append(adding.result())
            raise
        self.kept.append(artifact_id)
        return artifact_id

    async def read(self, artifact_id: str) -> bytes:
        """An artifact of the owner's. Raises ApiError."""
        return await self._tools.keeper.read(self.job.owner, artifact_id)

    async def find(self, model: str, filename: str) -> Sidecar | None:
        """What an earlier run of the job kept, and died before it could say so. Raises ApiError."""
        return await self._tools.keeper.find(self.job.owner, model, filename) if self.job.runs else None

    def tell(self, kind: str, /, **more: Any) -> None:  # noqa: ANN401
        """An event of the job, for its owner."""
        job, course = self.job, self.course
        told = {"job": job.id, "kind": job.kind, "model": job.model, "status": job.status.value, "stage": course.stage}
        self._tools.hub.tell(kind, job.owner, job.model, **told, **more)

    def rest(self) -> None:
        """No engine is at work on it any more."""
        if self.has_begun:
            self.has_begun = False
            self._tools.traffic.leave()
            self._tools.counts.ran(self.job, self._loop.time() - self._began)

    def end(self) -> None:
        """It is over, or waits for the next proxy."""
        self.rest()
        if self.place is not None:
            self.place.leave()

    async def _begin(self) -> None:
        if self.has_begun:  # by the engine of an earlier stage
            return
        first = not self.job.runs
        await self.change(status=JobStatus.IN_PROGRESS, runs=self.job.runs + 1)
        self.has_begun = True
        self._began = self._loop.time()
        self._tools.traffic.enter(WORK)
        if first:
            self._tools.counts.begun(self.job)
        self.tell("artifact-pending", position=0)

    def _step(self, step: int, steps: int) -> None:
        self.course.take(step, steps, self._loop.time())
        self.tell("progress", step=step, steps=steps, progress=self.course.percent)


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """What is begun is done to its end, whoever does not wait for it any more."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen, if nobody is there to see it
    return await asyncio.shield(task)


async def remove_all(keeper: Keeper, owner: str, artifacts: list[str]) -> None:
    """What is gone already is no trouble. Raises ApiError."""
    for artifact_id in artifacts:
        try:
            await keeper.remove(owner, artifact_id)
        except ApiError as error:
            if error.status != 404:
                raise
