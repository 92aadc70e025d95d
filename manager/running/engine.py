"""One run of one engine, from preparation to the end: a task that acts and reports, and decides nothing."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import httpx

from manager.engines.kind import SleepLevel
from manager.events import (
    EngineAsleep,
    EngineAwake,
    EngineDied,
    EngineEnded,
    EngineEvent,
    EngineReady,
    PhaseReached,
    SleeperFound,
)
from manager.running.last_words import TAIL_LINES, with_last_words
from manager.running.racing import first_of
from manager.running.readiness import Readiness, prove
from manager.running.run import Run
from manager.running.slumber import SLEEP_FAILED, WAKE_FAILED, Slumber
from manager.running.watch import Watch
from manager.runtimes.runtime import Runtime
from manager.specification import EngineError, EngineSpec, Failure

log = logging.getLogger(__name__)

START_FAILED = "engine_start_failed"

Post = Callable[[EngineEvent], None]


class Engine:
    """Starts or adopts an engine, puts it to sleep and wakes it when asked, watches it, and ends it when asked.

    Of each run: `EngineReady` at most once; then `EngineAsleep` and `EngineAwake` as asked for; `EngineDied` where it
    ends unasked after it was ready; `EngineEnded` last, and always.
    """

    def __init__(self, run: Run, runtime: Runtime, client: httpx.AsyncClient, post: Post) -> None:
        self.run = run
        self.runtime = runtime
        self.client = client
        self.post = post
        self._task: asyncio.Task[None] | None = None
        self._grace = 0.0
        self._sleep_wanted: asyncio.Queue[int] = asyncio.Queue()
        self._wake_wanted = asyncio.Event()
        self.watch = Watch(run.container, run.kind, runtime, client)

    def __repr__(self) -> str:
        return f"<Engine {self.run.model}, run {self.run.number}, in {self.run.container}>"

    def begin(self) -> None:
        self._task = asyncio.create_task(self._live(), name=f"engine {self.run.model}")
        self._task.add_done_callback(self._report_fault)

    def sleep(self, level: int) -> None:
        """Asks a ready engine to sleep; `EngineAsleep` follows, or the run's end. Of one that ended: nothing."""
        self._sleep_wanted.put_nowait(level)

    def wake(self) -> None:
        """Asks an engine that sleeps to serve again; `EngineAwake` follows, or the run's end."""
        self._wake_wanted.set()

    def end(self, grace: float) -> None:
        """Asks for the end, whatever it does; `EngineEnded` follows when all traces are gone."""
        life = self._task
        if life is not None and life.done():
            return  # it has reported its end; its container's name may be the next run's by now
        self._grace = grace
        self._task = asyncio.create_task(self._cut_short(life), name=f"end of engine {self.run.model}")
        self._task.add_done_callback(self._report_fault)

    async def hurry(self) -> None:
        """The end that was asked for comes without its grace. Raises EngineError."""
        self._grace = 0
        await self.runtime.kill(self.run.container)

    def abandon(self) -> None:
        """Leaves the engine running without a watcher, for the next manager to adopt."""
        if self._task is not None:
            self._task.cancel()

    async def _live(self) -> None:
        try:
            spec, endpoint, level = await self._make_ready()
        except EngineError as error:
            await self._finish(0, await self._with_last_words(error.failure))
            return
        name, number = self.run.model, self.run.number
        self.post(EngineReady(name, number, spec) if level is None else SleeperFound(name, number, spec, level))
        try:
            await self._serve(endpoint, level)
        except EngineError as error:
            # Told before anything is cleared away: who uses the engine learns of its death at once.
            self.post(EngineDied(self.run.model, self.run.number, await self._with_last_words(error.failure)))
        await self._finish(0, None)

    async def _cut_short(self, life: asyncio.Task[None] | None) -> None:
        self.run.called_off.set()
        if life is not None:
            life.cancel()
            # What it had begun is over before its traces are removed.
            await asyncio.wait([life])
            if not life.cancelled():
                return  # it ended by itself at this very moment, and has said so
        await self._finish(self._grace, None)

    async def _make_ready(self) -> tuple[EngineSpec, str, SleepLevel | None]:
        """The specification and the endpoint of an engine that serves, or how one that was adopted sleeps.

        Raises EngineError.
        """
        run = self.run
        spec = await asyncio.to_thread(run.prepare)
        if not run.adopted:
            self._report("creating the engine")
            await self.runtime.start(spec)
        endpoint = await self.runtime.endpoint(spec, None)
        readiness = Readiness(
            self.client,
            run.kind,
            exit_of=lambda: self.runtime.exit_of(spec.container),
            log_tail=lambda: self.runtime.tail(spec.container, TAIL_LINES),
        )
        await readiness.wait(endpoint, self._report, run.patience)
        level = await self._found_asleep(spec, endpoint)
        if level is not None:
            return spec, endpoint, level
        self._report("first token")
        proof = partial(prove, self.client, endpoint, run.kind.probe(run.model), START_FAILED)
        await self.watch.over(proof, START_FAILED, " while starting")
        await self.watch.look(endpoint)
        return spec, endpoint, None

    async def _found_asleep(self, spec: EngineSpec, endpoint: str) -> SleepLevel | None:
        """How an engine sleeps that an earlier manager left so; None where it is awake.

        How deep is not known any more: it is woken as from the deepest sleep, which wakes it from every other.
        """
        levels = self.run.kind.sleep_levels(self.run.device)
        if not self.run.adopted or spec.external or not levels:
            return None
        asleep = await Slumber(self.client, self.run.kind, self.run.model, endpoint).goes_on(START_FAILED)
        return levels[-1] if asleep else None

    async def _serve(self, endpoint: str, asleep: SleepLevel | None) -> NoReturn:
        """Awake and asleep by turns, as asked. Raises EngineError with the reason when the engine is to end."""
        run = self.run
        slumber = Slumber(self.client, run.kind, run.model, endpoint)
        level = asleep
        while True:
            if level is None:
                level = self._level(await self.watch.over(partial(self._until_sleep, endpoint)))
                await self.watch.over(partial(slumber.begin, level), SLEEP_FAILED, " on its way to sleep")
                self.post(EngineAsleep(run.model, run.number, level.level))
            await self.watch.over(self._wake_wanted.wait)
            self._wake_wanted.clear()
            await self.watch.over(partial(slumber.end, level), WAKE_FAILED, " while waking")
            self.post(EngineAwake(run.model, run.number))
            level = None

    def _level(self, number: int) -> SleepLevel:
        levels = {level.level: level for level in self.run.kind.sleep_levels(self.run.device)}
        if number not in levels:
            raise EngineError(SLEEP_FAILED, f"{self.run.kind.name} has no sleep of level {number} on {self.run.device}")
        return levels[number]

    async def _until_sleep(self, endpoint: str) -> int:
        """The level that is asked for. Raises EngineError when the engine hangs before."""
        return await first_of(self._sleep_wanted.get, partial(self.watch.until_hung, endpoint))

    async def _with_last_words(self, failure: Failure) -> Failure:
        tail, is_start = partial(self.runtime.tail, self.run.container), failure.code == START_FAILED
        return await with_last_words(failure, self.run.kind.faults, tail, is_start=is_start)

    async def _finish(self, grace: float, failure: Failure | None) -> None:
        try:
            await self.runtime.stop(self.run.container, grace)
        except EngineError as error:
            failure = failure or error.failure
        self.post(EngineEnded(self.run.model, self.run.number, failure))

    def _report_fault(self, task: asyncio.Task[None]) -> None:
        """A run that ends in an error that nobody foresaw has ended all the same: its callers are told."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("%r failed", self, exc_info=error)
            failure = Failure(START_FAILED, f"the manager could not run the engine: {error}")
            self.post(EngineEnded(self.run.model, self.run.number, failure))

    def _report(self, phase: str) -> None:
        self.post(PhaseReached(self.run.model, self.run.number, phase))
