"""Where jobs are handed in, asked for and called off, by the one process that runs them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from contract.errors import ApiError
from contract.prometheus import Exposition
from proxy.access.charge import Charges
from proxy.artifacts.clock import TwoClocks
from proxy.jobs.counts import DELETED
from proxy.jobs.database import Query
from proxy.jobs.floor import Floor, Words
from proxy.jobs.job import Job
from proxy.jobs.limits import JobLimits
from proxy.jobs.runner import Runner
from proxy.jobs.standing import Told
from proxy.jobs.turn import Tools, Turn, finished, remove_all
from proxy.jobs.work import Work

REVIEW_SECONDS = 1.0
SWEEP_SECONDS = 60.0
SWEEP_MOST = 100

_logger = logging.getLogger("roundhouse.proxy.jobs")


class Jobs:
    """A Reception. The composition root makes one."""

    def __init__(
        self, tools: Tools, works: Mapping[str, Work], charges: Charges, limits: JobLimits, words: Words
    ) -> None:
        self._tools = tools
        self._store = tools.store
        self._limits = limits
        self._runner = Runner(works, limits, tools.counts)
        self._floor = Floor(self._runner, charges, tools.traffic, words)
        self._clocks = TwoClocks()
        self._is_open = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return repr(self._floor).replace("Floor", "Jobs")

    @property
    def is_leading(self) -> bool:
        """Whether this process is the one that runs jobs."""
        return True

    @property
    def answers(self) -> Mapping[str, Callable[[bytes], Awaitable[bytes]]]:
        """What other workers may ask: there are none."""
        return {}

    def lead(self) -> None:
        """It does already."""

    async def start(self) -> None:
        """What a proxy before this one left: who waited goes on waiting, who was begun is begun once more.

        While the file cannot be had, another proxy's being one reason, nothing can be handed in.
        """
        await self._take_up()
        self._following = asyncio.create_task(self._follow(), name="jobs")

    async def opened(self) -> None:
        """Wait until jobs can be handed in."""
        await self._is_open.wait()

    async def create(self, job: Job) -> Told:
        await self.require_room(job.owner, job.model)
        if not self._is_open.is_set():
            message = "The file of the jobs cannot be had yet: another proxy may have it. The log says why."
            raise ApiError(503, "jobs_unavailable", message, headers={"retry-after": "2"})
        turn = Turn(job, self._tools)
        self._floor.expect(turn)  # before anything is awaited, so that the bounds are exact
        await finished(self._add(turn))
        return self._floor.told(job)

    async def require_room(self, owner: str, model: str) -> None:
        if sum(job.owner == owner for job in self._floor) >= self._limits.of_owner:
            message = f"{self._limits.of_owner} of your jobs are not over yet; wait for one, or delete one."
            raise ApiError(429, "too_many_jobs", message, headers={"retry-after": "30"})
        if self._floor.count(model) >= self._limits.waiting:
            message = f"{self._limits.waiting} jobs wait for the model '{model}'; come back when some are done."
            raise ApiError(503, "overloaded", message, headers={"retry-after": "30"})

    async def find(self, owner: str, job_id: str) -> Told:
        turn = self._floor.turn(job_id)
        job = turn.job if turn is not None else await self._store.find(owner, job_id)
        if job is None or job.owner != owner:
            raise ApiError(404, "not_found", f"There is no job {job_id[:64]}.")
        return self._floor.told(job)

    async def page(self, owner: str, query: Query) -> list[Told]:
        return [self._floor.told(job) for job in await self._store.page(owner, query)]

    async def variant(self, job_id: str, name: str) -> bytes | None:
        return await self._store.variant(job_id, name)

    async def remove(self, owner: str, job_id: str) -> None:
        told = await self.find(owner, job_id)
        await finished(self._remove(told.job))

    async def sweep(self) -> int:
        """Forget the jobs whose time is over; what they made stays -> how many they were."""
        lifetime, count = self._limits.lifetime, 0
        while lifetime is not None:
            now = self._clocks.surely()
            oldest = await self._store.oldest(SWEEP_MOST)
            gone = [job for job in oldest if (job.completed or job.created) + lifetime <= now]
            for job in gone:
                await self._store.remove(job.id)
            count += len(gone)
            if len(gone) < SWEEP_MOST:
                break
        return count

    def write_metrics(self, out: Exposition) -> None:
        """For `/metrics`."""
        self._tools.counts.write(out, self._floor, self._floor.waiting)

    async def close(self) -> None:
        """Who is at work is interrupted, and begun once more by the proxy that starts next."""
        self._tools.traffic.draining = True
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))
        await self._floor.clear()
        await self._store.close()

    async def _add(self, turn: Turn) -> None:
        try:
            await self._store.add(turn.job)
        except ApiError:
            self._floor.forget(turn)
            raise
        self._floor.line_up(turn)

    async def _remove(self, job: Job) -> None:
        """The job goes last: whoever is cut short in between finds it there, and asks once more."""
        turn, keeper = self._floor.turn(job.id), self._tools.keeper
        if turn is not None:
            await self._floor.call_off(turn)
            job = turn.job
        made = [*(turn.kept if turn is not None else ()), *(job.outcome.artifacts if job.outcome else ())]
        made += [job.keyframe] if job.keyframe is not None else []
        await remove_all(keeper, job.owner, list(dict.fromkeys(made)))
        await self._store.remove(job.id)
        if not job.is_over:
            self._tools.counts.ended(job, DELETED)
        self._tools.hub.tell("job-deleted", job.owner, job.model, job=job.id, kind=job.kind, model=job.model)

    async def _take_up(self) -> None:
        try:
            for job in await self._store.not_over():
                turn = Turn(job, self._tools)
                if job.id not in self._floor and await self._runner.take_up(turn):
                    self._floor.line_up(turn)
        except ApiError:
            return
        self._is_open.set()

    async def _follow(self) -> None:
        """For ever: the jobs are had, looked after while they are, and let go where another proxy has them."""
        while True:
            while not self._is_open.is_set():
                await asyncio.sleep(self._limits.pause)
                await self._take_up()
            await self._look_after()
            self._is_open.clear()
            await self._floor.clear()

    async def _look_after(self) -> None:
        """What waits is looked at again, what is old is swept, until another proxy has the jobs."""
        passed = SWEEP_SECONDS
        while not await self._store.is_lost():
            if passed >= SWEEP_SECONDS:
                passed = 0.0
                await self._try_to_sweep()
            await asyncio.sleep(REVIEW_SECONDS)
            passed += REVIEW_SECONDS
            self._floor.review()

    async def _try_to_sweep(self) -> None:
        try:
            await self.sweep()
        except ApiError as error:
            _logger.warning("jobs whose time is over could not be removed: %s", error.message)
