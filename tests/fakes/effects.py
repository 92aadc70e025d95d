"""Effects that only write down what they were asked, for driving the supervisor event by event."""

from dataclasses import dataclass, field
from typing import Any, cast

from manager.box.devices import DeviceSeen
from manager.engines.kind import SleepLevel
from manager.fixed import Fixed, Place
from manager.running.engine import Engine
from manager.running.fetching import Fetching
from manager.running.run import Run
from manager.scheduling.lessons import Lessons
from manager.specification import DeviceKind, EngineSpec, Placement
from manager.supervision.leases import Lease


@dataclass
class FakeEngine:
    run: Run


@dataclass(frozen=True)
class FakeKind:
    """An engine that sleeps as it is told to be able to."""

    levels: tuple[SleepLevel, ...] = ()
    name: str = "fake"
    fills_its_share: bool = False

    def sleep_levels(self, device: DeviceKind) -> tuple[SleepLevel, ...]:
        return self.levels


def level(number: int, *, keeps_weights: bool) -> SleepLevel:
    return SleepLevel(number, (), (), keeps_weights)


def spec_of(model: str, place: Place = ("cpu",)) -> EngineSpec:
    kind = DeviceKind.CPU if place == ("cpu",) else DeviceKind.CUDA
    placement = Placement(kind, place, 0, 0)
    return EngineSpec(model=model, engine="fake", container=f"c-{model}", port=8000, placement=placement)


@dataclass
class FakeEffects:
    """What was asked, in order, by the names of models; `admitted` holds leases that wait for an endpoint.

    `looks` says whether somebody wants to see the devices' memory.
    """

    launched: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    slept: list[tuple[str, int]] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    hurried: list[str] = field(default_factory=list)
    swept: list[frozenset[str]] = field(default_factory=list)
    admitted: list[tuple[Lease, int]] = field(default_factory=list)
    remembered: dict[str, Lessons] = field(default_factory=dict)
    looks: bool = False

    def fetch(self, fixed: Fixed, number: int) -> Fetching:
        self.fetched.append(fixed.name)
        return Fetching(fixed.name, number, cast(Any, None), cast(Any, None))

    def cancel(self, errand: Fetching) -> None:
        self.cancelled.append(errand.model)

    def launch(self, fixed: Fixed, number: int, place: Place, devices: tuple[DeviceSeen, ...]) -> Engine:
        self.launched.append(fixed.name)
        return self._engine(fixed, number, adopted=False)

    def adopt(self, fixed: Fixed, number: int, place: Place, spec: EngineSpec) -> Engine:
        return self._engine(fixed, number, adopted=True)

    def sleep(self, engine: Engine, level: int) -> None:
        self.slept.append((engine.run.model, level))

    def wake(self, engine: Engine) -> None:
        self.woken.append(engine.run.model)

    def end(self, engine: Engine) -> None:
        self.ended.append(engine.run.model)

    def hurry(self, engine: Engine) -> None:
        self.hurried.append(engine.run.model)

    def admit(self, spec: EngineSpec, run: int, lease: Lease) -> None:
        self.admitted.append((lease, run))

    def look(self) -> None:
        self.looks = True

    def sweep(self, wanted: frozenset[str]) -> None:
        self.swept.append(wanted)

    def recall(self, fixed: Fixed) -> Lessons:
        return self.remembered.get(fixed.name, Lessons())

    def remember(self, fixed: Fixed, lessons: Lessons) -> None:
        self.remembered[fixed.name] = lessons

    def _engine(self, fixed: Fixed, number: int, *, adopted: bool) -> Engine:
        kind = cast(Any, fixed.kind)
        run = Run(fixed.name, number, fixed.container, kind, cast(Any, None), DeviceKind.CPU, adopted)
        return cast(Engine, FakeEngine(run))
