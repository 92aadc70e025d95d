"""A box of engines that behave as they like, around a supervisor on a virtual clock; and what must always be so.

Its checks run at the very moment of each effect and after every event, so a fault is found where it is made.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from contract.catalogue import Catalogue
from contract.lease import Drain, Failed, LeaseEvent, Ready
from contract.states import ModelState
from manager.box.devices import DeviceSeen
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
    ShutdownWanted,
    Tick,
    WeightsMeasured,
)
from manager.fixed import Fixed, Place
from manager.running.engine import Engine
from manager.running.fetching import Fetching
from manager.scheduling.lessons import Lessons
from manager.scheduling.needs import places_of
from manager.scheduling.prospects import BLIND_SECONDS
from manager.scheduling.stall import HOST, MOVING, Rules, Track
from manager.specification import DeviceKind, EngineSpec, Failure
from manager.supervision.leases import Lease
from manager.supervision.model import Model
from manager.supervision.reload import identity_of
from tests.fakes.effects import FakeEffects, spec_of
from tests.manager.bench import CRASH, DEATH, Bench

HUNG = Failure("engine_hung", "it has had work and has got nowhere for 60 s")
NO_FETCH = Failure("fetch_failed", "the hub said no")
UNKNOWN = 8  # bytes that a model is thought to need whose weights were never here
INSTANT = 0.001  # no two events come at the same moment


@dataclass
class Body:
    """An engine as it really is. `uses` is bytes that it takes of each device of its place."""

    name: str
    run: int
    place: Place
    grant: int
    level: int = 0
    phase: ModelState = ModelState.STARTING
    ending: bool = False
    told_of_death: bool = False
    uses: int = 0

    @property
    def serves(self) -> bool:
        return self.phase is ModelState.READY and not self.ending and not self.told_of_death


class WatchedLease(Lease):
    """Looks at each event at the moment when it is told."""

    def __init__(self, model: str, world: "World") -> None:
        super().__init__(model, None)
        self.world = world
        self.heard: list[LeaseEvent] = []

    def tell(self, event: LeaseEvent) -> None:
        if event != self._last and not isinstance(self._last, Failed):
            self.heard.append(event)
        if isinstance(event, Ready):
            body = self.world.bodies.get(self.model)
            assert body is not None, f"{self} is told an endpoint of no engine"
            assert body.serves, f"{self} is told an endpoint of {body}"
            assert event.endpoint == f"http://run-{body.run}:8000", f"{self} is told an endpoint of an earlier run"
        # Who comes during the pause after a failure is told that failure at once.
        if isinstance(event, Failed) and event.code == "insufficient_memory" and self._last is not None:
            self.world.check_refusal(self.model, event.reason)
        super().tell(event)

    @property
    def is_over(self) -> bool:
        return isinstance(self._last, Failed)

    @property
    def is_drained(self) -> bool:
        return isinstance(self._last, Drain)


@dataclass
class WorldEffects(FakeEffects):
    """Does to the world what the supervisor asks, and checks that it may ask for it now."""

    world: "World" = field(kw_only=True)
    bodies: dict[str, Body] = field(default_factory=dict)
    errands: dict[str, int] = field(default_factory=dict)

    def fetch(self, fixed: Fixed, number: int) -> Fetching:
        assert fixed.name not in self.errands, f"{fixed.name} is fetched twice"
        assert fixed.name not in self.bodies
        self.errands[fixed.name] = number
        return super().fetch(fixed, number)

    def cancel(self, errand: Fetching) -> None:
        del self.errands[errand.model]
        super().cancel(errand)

    def recall(self, fixed: Fixed) -> Lessons:
        return self.remembered.get(identity_of(fixed), Lessons())

    def remember(self, fixed: Fixed, lessons: Lessons) -> None:
        self.remembered[identity_of(fixed)] = lessons

    def launch(self, fixed: Fixed, number: int, place: Place, devices: tuple[DeviceSeen, ...]) -> Engine:
        assert fixed.name not in self.bodies, f"a second engine of {fixed.name}"
        assert fixed.name not in self.errands
        self.world.check_room(fixed.name, place)
        uses = fixed.grant if self.world.honest else 0
        self.bodies[fixed.name] = Body(fixed.name, number, place, fixed.grant, uses=uses)
        return super().launch(fixed, number, place, devices)

    def adopt(self, fixed: Fixed, number: int, place: Place, spec: EngineSpec) -> Engine:
        self.bodies[fixed.name] = Body(fixed.name, number, place, fixed.grant, uses=fixed.grant)
        return super().adopt(fixed, number, place, spec)

    def _body(self, engine: Engine) -> Body:
        body = self.bodies[engine.run.model]
        assert body.run == engine.run.number
        assert not body.ending, f"{body} is asked for something after its end"
        return body

    def sleep(self, engine: Engine, level: int) -> None:
        body = self._body(engine)
        assert body.phase is ModelState.READY
        self._check_unused(body)
        body.phase, body.level = ModelState.SLEEPING, level
        super().sleep(engine, level)

    def wake(self, engine: Engine) -> None:
        body = self._body(engine)
        assert body.phase is ModelState.ASLEEP
        body.phase = ModelState.WAKING
        super().wake(engine)
        self.world.check_room(body.name, body.place)
        body.uses = body.grant if self.world.honest else body.uses

    def end(self, engine: Engine) -> None:
        body = self._body(engine)
        self._check_unused(body)
        body.ending = True
        super().end(engine)

    def _check_unused(self, body: Body) -> None:
        assert not self.world.model(body.name).holders, f"{body} is put away while it is used"


class World(Bench):
    """`late` is memory of engines that ended which has not come back yet; `gone` are devices that cannot be seen.

    In an `honest` world every engine takes what it was granted from the first moment to the last, and nobody else takes
    anything: then no device may ever really be over its total.
    """

    def __init__(self, *models: Fixed, devices: dict[str, int], rules: Rules, honest: bool = False) -> None:
        self.honest = honest
        self.doings = WorldEffects(world=self)
        self.late: list[tuple[str, int]] = []
        self.gone: set[str] = set()
        self.open_leases: list[WatchedLease] = []
        self.all_leases: list[WatchedLease] = []
        self.fetched: set[str] = set()
        self.events = 0
        super().__init__(*models, devices=devices, rules=rules, effects=self.doings)

    @property
    def bodies(self) -> dict[str, Body]:
        return self.doings.bodies

    def handle(self, event: Event) -> None:
        """One event. Looks at the devices come later, when the test likes."""
        self.now += INSTANT
        self.events += 1
        self.supervisor.handle(event)
        self.check()

    def pass_time(self, seconds: float) -> None:
        """The devices are looked at every second: after a while they have been."""
        self.now += seconds
        if seconds >= 5:
            self.see()
        self.handle(Tick())

    # Devices

    def _device(self, name: str) -> DeviceSeen:
        total = self.totals[name]
        free = total - self.taken(name)
        return DeviceSeen(name, DeviceKind.CPU if name == HOST else DeviceKind.CUDA, name, total, max(0, free))

    def taken(self, device: str) -> int:
        """What is really taken."""
        engines = sum(body.uses for body in self.bodies.values() if device in body.place)
        late = sum(amount for where, amount in self.late if where == device)
        return engines + late + self.others.get(device, 0)

    def seen(self) -> tuple[DeviceSeen, ...]:
        return tuple(self._device(name) for name in self.totals if name not in self.gone)

    def see(self) -> None:
        self.effects.looks = False
        self.now += INSTANT
        self.supervisor.handle(MemorySeen(self.now, self.seen()))
        self.check()

    def refit(self, devices: tuple[DeviceSeen, ...]) -> dict[str, Fixed]:
        models = self.supervisor.models.items()
        return {name: replace(each.fixed, places=places_of(each.fixed.entry, devices)) for name, each in models}

    def adopt_some(self, names: Iterable[str]) -> None:
        """An earlier manager left the engines of these, as far as they have room of their own."""
        for name in names:
            model = self.model(name)
            places = [place for place in model.fixed.places if not any(self._on(device) for device in place)]
            idle = model.here and model.engine is None and model.errand is None and model.fixed.lacks is None
            if idle and any(all(model.need <= self.ledger.tracks()[device].budget for device in p) for p in places[:1]):
                self.supervisor.adopt(name, places[0], spec_of(name, places[0]))
        self.handle(Tick())

    # Callers

    def lease(self, model: str) -> WatchedLease:
        lease = WatchedLease(model, self)
        self.open_leases.append(lease)
        self.all_leases.append(lease)
        self.handle(LeaseOpened(lease))
        return lease

    def leave(self, lease: WatchedLease) -> None:
        self.open_leases.remove(lease)
        self.handle(LeaseClosed(lease))

    def read(self, models: Iterable[Fixed]) -> None:
        """A new catalogue."""
        fixed = {model.name: self.as_it_is(model) for model in models}
        self.handle(CatalogueRead(Catalogue(models={name: each.entry for name, each in fixed.items()}), fixed))

    def as_it_is(self, fixed: Fixed) -> Fixed:
        """What this box makes of an entry. What it does not have here, it does not know the size of."""
        places = places_of(fixed.entry, self.ledger.devices)
        if fixed.here or identity_of(fixed) in self.fetched:
            grant, weights = (int(fixed.entry.args[key]) for key in ("grant", "weights"))
            return replace(fixed, here=True, grant=grant, weights_size=weights, places=places)
        return replace(fixed, grant=fixed.grant if fixed.declared else UNKNOWN, weights_size=0, places=places)

    # Engines

    def admit_one(self, pick: int = 0) -> None:
        """One of the admissions that are under way comes back."""
        if self.effects.admitted:
            lease, run = self.effects.admitted.pop(pick % len(self.effects.admitted))
            self.handle(LeaseAdmitted(lease, run, f"http://run-{run}:8000"))

    def get_on(self, body: Body, lies: float = 1.0) -> None:
        """What it is about is done. It takes `lies` times what it was granted."""
        lies = 1.0 if self.honest else lies
        match body.phase:
            case ModelState.STARTING:
                body.phase, body.uses = ModelState.READY, int(body.grant * lies)
                self.handle(EngineReady(body.name, body.run, spec_of(body.name, body.place)))
            case ModelState.SLEEPING:
                body.phase, body.uses = ModelState.ASLEEP, min(1, body.uses)
                self.handle(EngineAsleep(body.name, body.run, body.level))
            case ModelState.WAKING:
                body.phase, body.uses = ModelState.READY, int(body.grant * lies)
                self.handle(EngineAwake(body.name, body.run))

    def end(self, body: Body, failure: Failure | None, *, late: bool = False) -> None:
        """Its traces are gone. Memory that is `late` is taken all the same."""
        del self.bodies[body.name]
        if late:
            self.late += [(device, body.uses) for device in body.place]
        self.handle(EngineEnded(body.name, body.run, failure))

    def end_fetch(self, name: str, failure: Failure | None) -> None:
        run, fixed = self.doings.errands[name], self.model(name).fixed
        if failure is None:
            self.fetched.add(identity_of(fixed))
            real = self.as_it_is(fixed)
            self.handle(WeightsMeasured(name, run, real.weights_size, real.grant))
        del self.doings.errands[name]
        self.handle(FetchEnded(name, run, failure))

    def due(self) -> list[Callable[[float], None]]:
        """All that somebody is about to do; each is given how much of its grant an engine takes."""
        ending = [body for body in self.bodies.values() if body.ending or body.told_of_death]
        moving = [body for body in self.bodies.values() if body not in ending and body.phase in MOVING]
        acts: list[Callable[[], None]] = [partial(self.end, body, None) for body in ending]
        acts += [partial(self.end_fetch, name, None) for name in self.doings.errands]
        acts += [partial(self.admit_one, pick) for pick in (0, -1)] if self.effects.admitted else []
        acts += [self.see] if self.effects.looks else []
        return [*(partial(self.get_on, body) for body in moving), *(partial(_done, act) for act in acts)]

    def faults(self) -> list[Callable[[], None]]:
        """All that can go wrong now."""
        found: list[Callable[[], None]] = []
        for body in self.bodies.values():
            if body.ending or body.told_of_death:
                found.append(partial(self.end, body, None, late=True))
                found.append(partial(self.get_on, body))  # its last news were under way already
            elif body.phase is ModelState.STARTING:
                found.append(partial(self.end, body, CRASH))
                found.append(partial(self.half_way, body))
            else:
                found.append(partial(self.die, body, DEATH))
                found.append(partial(self.die, body, HUNG))
        found += [partial(self.end_fetch, name, NO_FETCH) for name in self.doings.errands]
        return found

    def half_way(self, body: Body) -> None:
        self.handle(PhaseReached(body.name, body.run, "loading weights"))
        body.uses = max(body.uses, body.grant // 2)

    def die(self, body: Body, failure: Failure) -> None:
        body.told_of_death = True
        self.handle(EngineDied(body.name, body.run, failure))

    # Everybody behaves

    def behave(self, seconds: float, *, stubborn: bool = False) -> None:
        """Time passes, and everybody does at once what is expected; but `stubborn` callers leave no engine."""
        self.late.clear()
        self.pass_time(seconds)
        for lease in [lease for lease in self.open_leases if lease.is_over or (lease.is_drained and not stubborn)]:
            self.leave(lease)
        for happen in self.due():
            happen(1.0)
        self.see()
        while self.effects.admitted:
            self.admit_one()

    def come_to_rest(self) -> None:
        """Nobody new comes. Whoever waits is served or told why not, within a bound."""
        for _ in range(400):
            if all(isinstance(lease._last, Ready | Failed) for lease in self.open_leases):
                return
            self.behave(5)
        waiting = [lease for lease in self.open_leases if not lease.holds and not lease.is_over]
        raise AssertionError(f"for half an hour nobody served {waiting}: {self.supervisor}")

    def shut_down(self, *, stubborn: bool) -> None:
        """The manager is to end: it drains for as long as the policy says, and then ends every engine."""
        self.handle(ShutdownWanted())
        for _ in range(5):
            self.behave(2, stubborn=stubborn)
        assert self.supervisor.ended.is_set(), f"the manager does not end: {self.supervisor}"
        assert not self.bodies
        assert all(lease.is_over for lease in self.open_leases)

    # What must always be so

    def check(self) -> None:
        supervisor = self.supervisor
        models = supervisor.models
        known = supervisor.scheduler._stalls
        assert known == {name: model.stall() for name, model in models.items()}, "the scheduler knows what is so"
        assert {name for name, model in models.items() if model.engine is not None} == set(self.bodies)
        assert {name for name, model in models.items() if model.errand is not None} == set(self.doings.errands)
        asleep = sum(model.host_held for model in models.values())
        assert asleep <= supervisor.scheduler.rules.sleep_memory, "sleepers keep more than they may"
        for lease in self.open_leases:
            self._check_lease(lease)
        over = [device for device, total in self.totals.items() if self.honest and self.taken(device) > total]
        assert not over, f"{over} are really over their totals"

    def _check_lease(self, lease: WatchedLease) -> None:
        if lease.holds:
            body = self.bodies.get(lease.model)
            assert body is not None, f"{lease} holds no engine"
            assert body.serves, f"{lease} holds {body}"
        if not lease.is_over:
            assert lease in self.supervisor.models[lease.model].leases, f"{lease} is forgotten"

    def check_room(self, name: str, place: Place) -> None:
        """An engine starts or wakes now: its devices were looked at, nothing else moves there, and all booked fits."""
        tracks = self.ledger.tracks()
        for device in place:
            track = tracks[device]
            assert track.fresh, f"{name} starts on {device}, which was not looked at"
            held = sum(min(model.holds, track.most) for model in self._on(device))
            if device == HOST:
                held += sum(model.host_held for model in self.supervisor.models.values())
            assert held <= track.budget, f"{name} starts on {device}: {held} of {track.budget} are booked"
            moving = [model.name for model in self._on(device) if model.state in MOVING and model.name != name]
            assert not moving, f"{name} starts on {device} while {moving} move"

    def check_refusal(self, name: str, reason: str) -> None:
        """Refused for want of memory: on each place that would do, the pinned and the others hold too much."""
        model, tracks = self.supervisor.models[name], self.ledger.tracks()
        for place in model.fixed.places:
            known = [tracks[device] for device in place if device in tracks and not self._is_blind(tracks[device])]
            if len(known) == len(place) and all(model.fixed.grant <= track.most for track in known):
                free = {device: tracks[device].budget - self._kept(name, device) for device in place}
                need = {device: min(model.need, max(model.fixed.grant, tracks[device].most)) for device in place}
                assert any(need[device] > free[device] for device in place), (
                    f"{name} is refused, though those on {place} may go: {reason}; {tracks}"
                )

    def _is_blind(self, track: Track) -> bool:
        return not track.fresh and self.now - track.changed_at >= BLIND_SECONDS

    def _kept(self, name: str, device: str) -> int:
        """What those keep that never make room."""
        pinned = [model for model in self.supervisor.models.values() if model.fixed.entry.pin and model.name != name]
        kept = sum(model.holds for model in pinned if device in model.place)
        return kept + sum(model.host_held for model in pinned if device == HOST)

    def _on(self, device: str) -> list[Model]:
        return [model for model in self.supervisor.models.values() if device in model.place]


def _done(act: Callable[[], None], _lies: float) -> None:
    act()
