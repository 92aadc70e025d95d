"""A supervisor to be driven event by event, on a clock and a memory that only the tests move."""

import asyncio
import json
from collections.abc import Mapping
from math import inf
from types import MappingProxyType
from typing import cast

from contract.catalogue import Catalogue, ModelEntry
from contract.lease import LeaseEvent
from contract.states import ModelState, ModelStatus
from manager.box.devices import DeviceSeen
from manager.broadcast import Broadcast
from manager.engines.kind import EngineKind
from manager.events import (
    CatalogueRead,
    EngineAsleep,
    EngineAwake,
    EngineDied,
    EngineEnded,
    EngineReady,
    Event,
    FetchEnded,
    LeaseAdmitted,
    LeaseClosed,
    LeaseOpened,
    MemorySeen,
    PhaseReached,
    Tick,
    UnloadWanted,
    WeightsMeasured,
)
from manager.fixed import Fixed, Place
from manager.news import News
from manager.scheduling.ledger import Ledger, Limits
from manager.scheduling.scheduler import Scheduler
from manager.scheduling.stall import Rules
from manager.specification import DeviceKind, Failure
from manager.supervision.effects import Effects
from manager.supervision.leases import Lease
from manager.supervision.model import Model
from manager.supervision.passages import Listener, Passages
from manager.supervision.supervisor import Policy, Supervisor
from manager.supervision.transitions import Transitions
from tests.fakes.effects import FakeEffects, FakeKind, spec_of

CRASH = Failure("engine_start_failed", "the engine exited with status 1", ("Traceback", "no memory"))
DEATH = Failure("engine_died", "the engine exited with status 137")


def fixed(
    name: str,
    grant: int = 6,
    places: tuple[Place, ...] = (("cpu",),),
    *,
    entry: Mapping[str, object] = MappingProxyType({}),
    kind: FakeKind | None = None,
    declared: bool = True,
    weights: int | None = None,
    idle_timeout: float = 600,
    asleep_timeout: float = inf,
    here: bool = True,
    lacks: str | None = None,
) -> Fixed:
    """A model of the tests; `entry` are further keys of its entry. Weights are as large as the grant, if not said."""
    return Fixed(
        name=name,
        entry=ModelEntry.model_validate({"type": "text", **entry}),
        kind=cast(EngineKind, kind or FakeKind()),
        container=f"c-{name}",
        grant=grant,
        declared=declared,
        weights_size=grant if weights is None else weights,
        places=places,
        idle_timeout=idle_timeout,
        asleep_timeout=asleep_timeout,
        drain_bound=120,
        created=0,
        here=here,
        lacks=lacks,
    )


class Bench:
    """Devices are told by their bytes; `used` is what each model's engine takes of the devices of its place."""

    def __init__(
        self,
        *models: Fixed,
        devices: dict[str, int] | None = None,
        rules: Rules | None = None,
        effects: FakeEffects | None = None,
        leases: int = 1000,
        listeners: tuple[Listener, ...] = (),
    ) -> None:
        self.now = 1000.0
        self.totals = devices or {"cpu": 10}
        self.used: dict[str, int] = {}
        self.others: dict[str, int] = {}
        self.effects = effects or FakeEffects()
        self.ledger = Ledger(Limits(0, 0))
        self.changes = Broadcast()
        self.supervisor = Supervisor(
            Transitions(cast(Effects, self.effects), self.ledger),
            Scheduler(rules or Rules()),
            Policy(settle=0, shutdown_drain=5, leases_per_model=leases),
            News(Catalogue(models={}), self.changes, Passages(*listeners)),
            refit=self.refit,
            clock=lambda: self.now,
            events=asyncio.Queue(),
        )
        self.supervisor.take({each.name: each for each in models})
        self.see()

    def refit(self, devices: tuple[DeviceSeen, ...]) -> dict[str, Fixed]:
        """What the models are on a box with other devices: the same."""
        return {}

    # What happens

    def handle(self, event: Event) -> None:
        """The event, and every look at the devices that it leads to."""
        self.supervisor.handle(event)
        while self.effects.looks:
            self.effects.looks = False
            self.see()

    def see(self) -> None:
        at = self.now + 1e-6  # later than the event that asked for it, if only just
        self.supervisor.handle(MemorySeen(at, tuple(map(self._device, self.totals))))

    def _device(self, name: str) -> DeviceSeen:
        taken = sum(used for model, used in self.used.items() if name in self.model(model).place)
        kind = DeviceKind.CPU if name == "cpu" else DeviceKind.CUDA
        return DeviceSeen(name, kind, name, self.totals[name], self.totals[name] - taken - self.others.get(name, 0))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.handle(Tick())

    def open(self, model: str, trace: str | None = None) -> Lease:
        lease = Lease(model, None, trace)
        self.handle(LeaseOpened(lease))
        return lease

    def unload(self, model: str) -> None:
        self.handle(UnloadWanted(model))
        for lease in [lease for lease in self.model(model).leases if lease.holds]:
            self.close(lease)

    def reach(self, model: str, phase: str) -> None:
        self.handle(PhaseReached(model, self.run(model), phase))

    def has_weights(self, model: str, size: int) -> None:
        run = self.run(model)
        self.handle(WeightsMeasured(model, run, size, size))
        self.handle(FetchEnded(model, run, None))

    def only(self, *names: str) -> None:
        """`models.json` has these models left."""
        self.handle(CatalogueRead(Catalogue(models={}), {name: self.model(name).fixed for name in names}))

    def close(self, lease: Lease) -> None:
        self.handle(LeaseClosed(lease))

    def ready(self, model: str, used: int | None = None) -> None:
        """The present run of the model becomes ready, and all admissions come back."""
        self.used[model] = self.model(model).fixed.grant if used is None else used
        self.handle(EngineReady(model, self.run(model), spec_of(model, self.model(model).place)))
        self.admit()

    def admit(self) -> None:
        while self.effects.admitted:
            lease, run = self.effects.admitted.pop(0)
            self.handle(LeaseAdmitted(lease, run, "http://engine:8000"))

    def asleep(self, model: str, residue: int = 0) -> None:
        level = self.model(model).sleep
        self.used[model] = residue
        self.handle(EngineAsleep(model, self.run(model), level.level if level else 0))

    def awake(self, model: str) -> None:
        self.used[model] = self.model(model).fixed.grant
        self.handle(EngineAwake(model, self.run(model)))
        self.admit()

    def ended(self, model: str, failure: Failure | None = None, *, kept: int = 0) -> None:
        """Its traces are gone; `kept` bytes of the device's memory have not come back yet."""
        if kept:
            self.others[self.model(model).place[0]] = kept
        self.used.pop(model, None)
        self.handle(EngineEnded(model, self.run(model), failure))

    def died(self, model: str, failure: Failure = DEATH) -> None:
        """The engine dies, and its traces are removed."""
        self.handle(EngineDied(model, self.run(model), failure))
        self.ended(model)

    # What is so

    def model(self, name: str) -> Model:
        return self.supervisor.models[name]

    def run(self, model: str) -> int:
        return self.model(model).run

    def state(self, model: str) -> ModelState:
        return self.model(model).state

    def adopt(self, name: str) -> None:
        """An earlier manager left its engine running."""
        place = self.model(name).fixed.places[0]
        self.supervisor.adopt(name, place, spec_of(name, place))

    def serving(self, model: str) -> Lease:
        lease = self.open(model)
        self.ready(model)
        return lease


def told(lease: Lease) -> list[LeaseEvent]:
    events: list[LeaseEvent] = []
    queue = lease._events
    while not queue.empty():
        events.append(queue.get_nowait())
    return events


def last(lease: Lease) -> LeaseEvent:
    return told(lease)[-1]


def statuses(messages: "asyncio.Queue[bytes | None]") -> list[ModelStatus]:
    """Each status that was published, in order."""
    found = []
    while not messages.empty():
        kind, _, data = (messages.get_nowait() or b"").partition(b"\n")
        if kind == b"event: model":
            found.append(ModelStatus.model_validate(json.loads(data.removeprefix(b"data: "))))
    return found
