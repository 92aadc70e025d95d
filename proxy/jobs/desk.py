"""Where jobs are handed in, asked for and called off. One runs for each model; the others wait in their order."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from contract.errors import ApiError
from proxy.jobs.course import Course
from proxy.jobs.database import Query
from proxy.jobs.events import EventHub
from proxy.jobs.job import Job
from proxy.jobs.keeper import Keeper
from proxy.jobs.limits import JobLimits
from proxy.jobs.queues import Queues
from proxy.jobs.runner import Runner
from proxy.jobs.store import JobStore
from proxy.jobs.turn import Turn, finished, remove_all
from proxy.jobs.work import Work
from proxy.traffic import Traffic


class Standing(NamedTuple):
    """How a job stands: `course` is None once it is over, `position` 0 once it is its turn."""

    course: Course | None
    position: int


class Jobs:
    """The composition root makes one. Every method raises ApiError."""

    def __init__(  # noqa: PLR0917
        self,
        store: JobStore,
        keeper: Keeper,
        works: Mapping[str, Work],
        hub: EventHub,
        traffic: Traffic,
        limits: JobLimits,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._hub = hub
        self._traffic = traffic
        self._limits = limits
        self._queues = Queues()
        self._turns: dict[str, Turn] = {}
        self._running: dict[str, Turn] = {}
        self._runner = Runner(works, limits.patience, limits.pause)
        self._is_open = False
        self._starting: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Jobs {len(self._running)} running, {len(self._turns) - len(self._running)} waiting>"

    async def start(self) -> None:
        """What a proxy before this one left: who waited goes on waiting, who was begun is begun once more.

        While the file cannot be had, another proxy's being one reason, nothing can be handed in.
        """
        if not await self._take_up():
            self._starting = asyncio.create_task(self._take_up_later(), name="jobs of before")

    async def _take_up_later(self) -> None:
        while True:
            await asyncio.sleep(self._limits.pause)
            if await self._take_up():
                return

    async def _take_up(self) -> bool:
        try:
            for job in await self._store.not_over():
                turn = self._turn(job)
                if job.id not in self._turns and await self._runner.take_up(turn):
                    self._line_up(turn)
        except ApiError:
            return False
        self._is_open = True
        return True

    async def create(self, job: Job) -> Job:
        """Hand it in; it is on the disk when this returns. A caller who leaves meanwhile has handed it in, too."""
        self.require_room(job.owner, job.model)
        if not self._is_open:
            message = "The file of the jobs cannot be had yet: another proxy may have it. The log says why."
            raise ApiError(503, "jobs_unavailable", message, headers={"retry-after": "2"})
        await finished(self._add(self._turn(job)))
        return job

    async def _add(self, turn: Turn) -> None:
        self._turns[turn.job.id] = turn
        try:
            await self._store.add(turn.job)
        except ApiError:
            del self._turns[turn.job.id]
            raise
        self._line_up(turn)

    def require_room(self, owner: str, model: str) -> None:
        """Raises ApiError (429, 503) where one more job cannot be taken."""
        if sum(turn.job.owner == owner for turn in self._turns.values()) >= self._limits.of_owner:
            message = f"{self._limits.of_owner} of your jobs are not over yet; wait for one, or delete one."
            raise ApiError(429, "too_many_jobs", message, headers={"retry-after": "30"})
        if self._queues.count(model) >= self._limits.waiting:
            message = f"{self._limits.waiting} jobs wait for the model '{model}'; come back when some are done."
            raise ApiError(503, "overloaded", message, headers={"retry-after": "30"})

    async def find(self, owner: str, job_id: str) -> Job:
        """An owner's job as it is now. Raises ApiError (404)."""
        turn = self._turns.get(job_id)
        job = turn.job if turn is not None else await self._store.find(owner, job_id)
        if job is None or job.owner != owner:
            raise ApiError(404, "not_found", f"There is no job {job_id[:64]}.")
        return job

    async def page(self, owner: str, query: Query) -> list[Job]:
        """Some of an owner's jobs."""
        found = await self._store.page(owner, query)
        return [self._turns[job.id].job if job.id in self._turns else job for job in found]

    def standing(self, job: Job) -> Standing:
        """How it stands at this moment."""
        turn = self._turns.get(job.id)
        return Standing(turn.course if turn is not None else None, self._queues.position(job.model, job.id))

    async def variant(self, job: Job, name: str) -> bytes | None:
        """A picture that belongs to a job; None where there is none of that name."""
        return await self._store.variant(job.id, name)

    async def remove(self, owner: str, job_id: str) -> Job:
        """Call a job off, and remove what it made. An engine that is at work on it stops within a step."""
        return await finished(self._remove(await self.find(owner, job_id)))

    async def _remove(self, job: Job) -> Job:
        turn = self._turns.get(job.id)
        if turn is not None:
            await self._call_off(turn)
            job = turn.job
        made = [*(turn.kept if turn is not None else ()), *(job.outcome.artifacts if job.outcome else ())]
        made += [job.keyframe] if job.keyframe is not None else []
        await self._store.remove(job.id)
        await remove_all(self._keeper, job.owner, list(dict.fromkeys(made)))
        self._hub.tell("job-deleted", job.owner, job.model, job=job.id, kind=job.kind, model=job.model)
        return job

    async def close(self) -> None:
        """Who is at work is interrupted, and begun once more by the proxy that starts next."""
        self._traffic.draining = True
        tasks = [turn.task for turn in self._running.values() if turn.task is not None]
        tasks += [self._starting] if self._starting is not None else []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._store.close()

    def _turn(self, job: Job) -> Turn:
        return Turn(job, self._store, self._keeper, self._hub, self._traffic)

    def _line_up(self, turn: Turn) -> None:
        job = turn.job
        self._turns[job.id] = turn
        self._queues.add(job.model, job.id)
        turn.tell("artifact-pending", position=self._queues.position(job.model, job.id))
        self._next(job.model)

    def _next(self, model: str) -> None:
        """Whoever is first begins, where nobody is at it."""
        if model in self._running or self._traffic.draining:
            return
        job_id = self._queues.take(model)
        if job_id is None:
            return
        turn = self._running[model] = self._turns[job_id]
        turn.task = asyncio.create_task(self._run(turn), name=f"job {job_id}")
        self._tell_positions(model)

    def _tell_positions(self, model: str) -> None:
        for turn in self._turns.values():
            if turn.job.model == model and (position := self._queues.position(model, turn.job.id)):
                turn.tell("artifact-pending", position=position)

    async def _run(self, turn: Turn) -> None:
        try:
            await self._runner.run(turn)
        finally:
            turn.rest()
            self._turns.pop(turn.job.id, None)
            self._running.pop(turn.job.model, None)
            self._next(turn.job.model)

    async def _call_off(self, turn: Turn) -> None:
        if self._queues.remove(turn.job.model, turn.job.id):
            self._turns.pop(turn.job.id, None)
            self._tell_positions(turn.job.model)
        elif turn.task is not None:
            turn.task.cancel()
            await asyncio.wait((turn.task,))
