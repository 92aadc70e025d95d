"""One run of one engine, from preparation to the end: a task that acts and reports, and decides nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from manager.engines.kind import EngineKind
from manager.events import EngineDied, EngineEnded, EngineEvent, EngineReady, Fetched, PhaseReached
from manager.readiness import Readiness
from manager.runtimes.runtime import Runtime
from manager.specification import EngineError, EngineSpec, Failure

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.5
TAIL_LINES = 40

Post = Callable[[EngineEvent], None]
Prepare = Callable[[], EngineSpec]
# Makes sure that the weights are here; tells bytes and total while they come.
Fetch = Callable[[Callable[[int, int], None]], Awaitable[None]]


@dataclass(frozen=True)
class Run:
    """What one run is given. `prepare` verifies the weights and makes the specification; it may block."""

    model: str
    number: int
    container: str
    kind: EngineKind
    fetch: Fetch
    prepare: Prepare
    adopted: bool = False


class Engine:
    """Starts or adopts an engine, watches it until it ends, and ends it when asked."""

    def __init__(self, run: Run, runtime: Runtime, client: httpx.AsyncClient, post: Post) -> None:
        self.run = run
        self.runtime = runtime
        self.client = client
        self.post = post
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Engine {self.run.model}, run {self.run.number}, in {self.run.container}>"

    def begin(self) -> None:
        self._task = asyncio.create_task(self._live(), name=f"engine {self.run.model}")
        self._task.add_done_callback(self._report_fault)

    def end(self, grace: float) -> None:
        """Asks for the end; `EngineEnded` follows when all traces are gone."""
        life = self._task
        if life is not None and life.done():
            return  # it has reported its end; its container's name may be the next run's by now
        self._task = asyncio.create_task(self._cut_short(life, grace), name=f"end of engine {self.run.model}")
        self._task.add_done_callback(self._report_fault)

    def abandon(self) -> None:
        """Leaves the engine running without a watcher, for the next manager to adopt."""
        if self._task is not None:
            self._task.cancel()

    async def _live(self) -> None:
        try:
            await self.run.fetch(self._fetched)
            spec = await asyncio.to_thread(self.run.prepare)
            await self._make_ready(spec)
            self.post(EngineReady(self.run.model, self.run.number, spec))
            died = await self._watch()
            # Told before anything is cleared away: who uses the engine learns of its death at once.
            self.post(EngineDied(self.run.model, self.run.number, died))
            failure = None
        except EngineError as error:
            failure = await self._with_tail(error.failure)
        await self._finish(0, failure)

    async def _cut_short(self, life: asyncio.Task[None] | None, grace: float) -> None:
        if life is not None:
            life.cancel()
            # What it had begun is over before its traces are removed.
            await asyncio.wait([life])
        await self._finish(grace, None)

    async def _make_ready(self, spec: EngineSpec) -> None:
        if not self.run.adopted:
            self._report("creating the engine")
            await self.runtime.start(spec)
        readiness = Readiness(
            self.client,
            self.run.kind,
            exit_of=lambda: self.runtime.exit_of(spec.container),
            log_tail=lambda: self.runtime.tail(spec.container, TAIL_LINES),
        )
        await readiness.wait(await self.runtime.endpoint(spec, None), self.run.model, self._report)

    async def _watch(self) -> Failure:
        """Returns why the engine ended. A runtime that does not answer says nothing about the engine."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                ended = await self.runtime.exit_of(self.run.container)
            except EngineError:
                continue
            if ended is not None:
                return await self._with_tail(Failure("engine_died", str(ended)))

    async def _with_tail(self, failure: Failure) -> Failure:
        if failure.log_tail:
            return failure
        try:
            tail = await self.runtime.tail(self.run.container, TAIL_LINES)
        except EngineError:
            return failure
        return Failure(failure.code, failure.reason, tail)

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
            failure = Failure("engine_start_failed", f"the manager could not run the engine: {error}")
            self.post(EngineEnded(self.run.model, self.run.number, failure))

    def _fetched(self, here: int, total: int) -> None:
        self.post(Fetched(self.run.model, self.run.number, here, total))

    def _report(self, phase: str) -> None:
        self.post(PhaseReached(self.run.model, self.run.number, phase))
