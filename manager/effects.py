"""What the supervisor does to the world: engines begun and ended, leases admitted. News of it come back as events."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import httpx

from contract.catalogue import ModelEntry
from manager.devices import Device
from manager.engine import Engine, Prepare, Run
from manager.engines.kind import Order
from manager.events import Event, LeaseAdmitted
from manager.hub import Hub, Report
from manager.leases import Lease
from manager.ledger import place
from manager.model import Fixed
from manager.runtimes.runtime import Runtime
from manager.specification import EngineError, EngineSpec
from manager.weights import WeightsStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Effects:
    """The edge of the control plane. `post` hands events to the supervisor."""

    runtime: Runtime
    client: httpx.AsyncClient
    weights: WeightsStore
    hub: Hub
    devices: tuple[Device, ...]
    stop_grace: float
    post: Callable[[Event], None]
    _admissions: set[asyncio.Task[None]] = field(default_factory=set)

    def launch(self, fixed: Fixed, number: int, device: str) -> Engine:
        """Begins a run on a device."""
        return self._begin(self._run(fixed, number, lambda: self.specify(fixed, device)))

    def adopt(self, fixed: Fixed, number: int, spec: EngineSpec) -> Engine:
        """Takes over an engine that an earlier manager started."""
        return self._begin(self._run(fixed, number, lambda: spec, adopted=True))

    def end(self, engine: Engine) -> None:
        engine.end(self.stop_grace)

    def admit(self, spec: EngineSpec, run: int, lease: Lease) -> None:
        """Lets the lease's worker reach the engine; joining a network takes a moment."""
        task = asyncio.create_task(self._admit(spec, run, lease), name=f"admission to {spec.model}")
        self._admissions.add(task)
        task.add_done_callback(self._admissions.discard)

    def specify(self, fixed: Fixed, device: str) -> EngineSpec:
        """The specification of a model on a device, its weights verified. Blocks on files; raises EngineError."""
        entry, kind = fixed.entry, fixed.engine_kind
        placement = place(entry, device, fixed.need, self.devices)
        if entry.source is None:
            port = entry.port or kind.default_port
            return EngineSpec(fixed.name, kind.name, fixed.container, port, placement=placement, external=True)
        weights = self.weights.verified(entry)
        return kind.specify(Order(fixed.name, entry, fixed.container, weights, placement, self.runtime.inside))

    def _run(self, fixed: Fixed, number: int, prepare: Prepare, *, adopted: bool = False) -> Run:
        fetch = partial(self._fetch, fixed.entry)
        return Run(fixed.name, number, fixed.container, fixed.engine_kind, fetch, prepare, adopted)

    async def _fetch(self, entry: ModelEntry, report: Report) -> None:
        """What is here is not fetched again; a local folder and a container made by others never are."""
        if entry.source is not None and not entry.is_local and self.weights.find(entry) is None:
            await self.hub.fetch(entry.source, entry.revision or "main", report)

    def _begin(self, run: Run) -> Engine:
        engine = Engine(run, self.runtime, self.client, self.post)
        engine.begin()
        return engine

    async def _admit(self, spec: EngineSpec, run: int, lease: Lease) -> None:
        try:
            endpoint = await self.runtime.endpoint(spec, lease.peer)
        except EngineError as error:  # its watcher will report what became of the engine
            log.warning("%r is not admitted: %s", lease, error)
            return
        self.post(LeaseAdmitted(lease, run, endpoint))
