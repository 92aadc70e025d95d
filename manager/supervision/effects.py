"""What the supervisor does to the world: engines, fetches, leases admitted. News of it come back as events."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import httpx

from contract.sizes import show_bytes
from manager.box.devices import DeviceSeen
from manager.box.sight import Sight
from manager.engines.kind import Order, Weights
from manager.events import AdmissionFailed, Event, LeaseAdmitted, PhaseReached, WeightsMeasured
from manager.fixed import Fixed, Place, kind_of
from manager.running.engine import Engine
from manager.running.fetching import Fetching
from manager.running.run import Prepare, Run
from manager.runtimes.runtime import Runtime
from manager.scheduling.lessons import LessonBook, Lessons
from manager.scheduling.needs import grant_of, placement_of
from manager.specification import EngineError, EngineSpec, Placement
from manager.supervision.leases import Lease
from manager.supervision.reload import identity_of
from manager.weights.contents import wants_half
from manager.weights.hashes import Report
from manager.weights.hub import Hub
from manager.weights.store import WeightsStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Effects:
    """The edge of the control plane. `post` hands events to the supervisor, on the event loop."""

    runtime: Runtime
    client: httpx.AsyncClient
    weights: WeightsStore
    hub: Hub
    book: LessonBook
    sight: Sight
    stop_grace: float
    post: Callable[[Event], None]
    traces_to: str | None = None  # where engines send spans, if they know how
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    # One thread: what was learned last is written last.
    _writer: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "lessons"))

    def fetch(self, fixed: Fixed, number: int) -> Fetching:
        """Begins to bring the model's weights here."""
        fetching = Fetching(fixed.name, number, partial(self._fetch, fixed, number), self.post)
        fetching.begin()
        return fetching

    def cancel(self, errand: Fetching) -> None:
        errand.cancel()

    def launch(self, fixed: Fixed, number: int, place: Place, devices: tuple[DeviceSeen, ...]) -> Engine:
        """Begins a run on a place."""
        called_off = threading.Event()
        prepare = partial(self._prepare, fixed, place, devices, self._verifying(fixed, number, called_off))
        return self._begin(fixed, number, prepare, place, called_off)

    def adopt(self, fixed: Fixed, number: int, place: Place, spec: EngineSpec) -> Engine:
        """Takes over an engine that an earlier manager started."""
        return self._begin(fixed, number, lambda: spec, place, threading.Event(), adopted=True)

    def sleep(self, engine: Engine, level: int) -> None:
        engine.sleep(level)

    def wake(self, engine: Engine) -> None:
        engine.wake()

    def end(self, engine: Engine) -> None:
        engine.end(self.stop_grace)

    def hurry(self, engine: Engine) -> None:
        """The end that was asked for comes at once."""
        self._run(self._kill(engine), f"kill of {engine.run.model}")

    def admit(self, spec: EngineSpec, run: int, lease: Lease) -> None:
        """Lets the lease's worker reach the engine; joining a network takes a moment."""
        self._run(self._admit(spec, run, lease), f"admission to {spec.model}")

    def look(self) -> None:
        """The devices' memory is looked at now, and not in a second."""
        self.sight.look()

    def sweep(self, wanted: frozenset[str]) -> None:
        """Engines of this instance that nobody manages are ended."""
        self._run(self._sweep(wanted), "sweep")

    def recall(self, fixed: Fixed) -> Lessons:
        """What earlier runs of the same model taught."""
        return self.book.of(identity_of(fixed))

    def remember(self, fixed: Fixed, lessons: Lessons) -> None:
        self._writer.submit(self.book.keep, identity_of(fixed), lessons)

    def specify(self, fixed: Fixed, place: Place, devices: Iterable[DeviceSeen]) -> EngineSpec:
        """The specification of a model on a place. Blocks on files, but reads no weights; raises EngineError."""
        entry, kind = fixed.entry, fixed.engine_kind
        placement = self._placement(fixed, place, devices)
        if entry.source is None and kind.needs_weights:
            port = entry.port or kind.default_port
            return EngineSpec(fixed.name, kind.name, fixed.container, port, placement=placement, external=True)
        weights = self.weights.verified(entry) if entry.source is not None else Weights("", 0)
        inside = self.runtime.inside
        return kind.specify(Order(fixed.name, entry, fixed.container, weights, placement, inside, self.traces_to))

    def _placement(self, fixed: Fixed, place: Place, devices: Iterable[DeviceSeen]) -> Placement:
        try:
            return placement_of(fixed, place, devices)
        except KeyError as error:
            raise EngineError("device_missing", f"the device {error.args[0]} is not there") from error

    def _prepare(self, fixed: Fixed, place: Place, devices: tuple[DeviceSeen, ...], report: Report) -> EngineSpec:
        """In a thread: the weights are what they were, and the specification says so."""
        if fixed.entry.source is not None:
            self.weights.verify(fixed.entry, report)
        return self.specify(fixed, place, devices)

    def _verifying(self, fixed: Fixed, number: int, called_off: threading.Event) -> Report:
        """Tells from another thread how far a verification is, and ends it there when its run is called off."""
        loop = asyncio.get_running_loop()

        def report(done: int, total: int) -> None:
            if called_off.is_set():
                raise EngineError("called_off", "the start was called off while the weights were verified")
            phase = f"verifying weights, {show_bytes(done)} of {show_bytes(total)}"
            loop.call_soon_threadsafe(self.post, PhaseReached(fixed.name, number, phase))

        return report

    def _begin(
        self,
        fixed: Fixed,
        number: int,
        prepare: Prepare,
        place: Place,
        called_off: threading.Event,
        *,
        adopted: bool = False,
    ) -> Engine:
        kind = fixed.engine_kind
        run = Run(fixed.name, number, fixed.container, kind, prepare, kind_of(place), adopted, called_off)
        engine = Engine(run, self.runtime, self.client, self.post)
        engine.begin()
        return engine

    async def _fetch(self, fixed: Fixed, number: int, report: Report) -> None:
        """A local folder and a container made by others are never fetched."""
        entry = fixed.entry
        if entry.source is not None and not entry.is_local:
            await self.hub.fetch(entry.source, entry.revision or "main", report, half=wants_half(entry))
        size = await asyncio.to_thread(self.weights.size_of, entry)
        self.post(WeightsMeasured(fixed.name, number, size, grant_of(entry, size)))

    async def _admit(self, spec: EngineSpec, run: int, lease: Lease) -> None:
        try:
            endpoint = await self.runtime.endpoint(spec, lease.peer)
        except EngineError as error:  # its watcher will report what became of the engine, if anything did
            log.warning("%r is not admitted: %s", lease, error)
            self.post(AdmissionFailed(lease, run))
            return
        self.post(LeaseAdmitted(lease, run, endpoint))

    async def _kill(self, engine: Engine) -> None:
        try:
            await engine.hurry()
        except EngineError as error:  # its end goes on as it was asked for
            log.warning("%r is not killed: %s", engine, error)

    async def _sweep(self, wanted: frozenset[str]) -> None:
        try:
            for name in await self.runtime.sweep(wanted):
                log.warning("%s was nobody's and is removed", name)
        except EngineError as error:  # the next sweep may find the place in order again
            log.warning("nothing is swept: %s", error)

    def _run(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
