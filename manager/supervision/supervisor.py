"""The one task that owns all engine state: event -> decide -> effects -> event."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contract.states import DeviceStatus, ModelState, ModelStatus
from manager.events import (
    AdmissionFailed,
    CatalogueRead,
    CatalogueRefused,
    Event,
    LeaseAdmitted,
    LeaseClosed,
    LeaseOpened,
    MemorySeen,
    ModelEvent,
    ShutdownWanted,
    Tick,
)
from manager.fixed import Fixed, Place
from manager.news import News
from manager.scheduling.scheduler import Scheduler
from manager.specification import EngineSpec
from manager.supervision.callers import Callers, gone
from manager.supervision.dispatch import SETTLING, act, told
from manager.supervision.lookout import Lookout, Refit
from manager.supervision.model import Model
from manager.supervision.reports import device_statuses, manager_stopping, status_of
from manager.supervision.succession import Succession, make_model
from manager.supervision.transitions import Transitions

TICK_SECONDS = 1.0


@dataclass(frozen=True)
class Policy:
    """Times in seconds, as in the settings."""

    settle: float
    shutdown_drain: float
    leases_per_model: int = 1000
    sweep_every: float = 30


class Supervisor:
    """Owns the models. Everybody else posts events and listens to the news."""

    def __init__(
        self,
        transitions: Transitions,
        scheduler: Scheduler,
        policy: Policy,
        news: News,
        *,
        refit: Refit,
        clock: Callable[[], float],
        events: asyncio.Queue[Event],
    ) -> None:
        self.models: dict[str, Model] = {}
        self.transitions = transitions
        self.scheduler = scheduler
        self.policy = policy
        self.news = news
        self.clock = clock
        self.ended = asyncio.Event()
        self._callers = Callers(transitions, policy.leases_per_model)
        self._succession = Succession(self.models, transitions)
        self._lookout = Lookout(self.models, transitions, self._succession, refit)
        self._events = events
        self._touched: set[str] = set()
        self._opened_at = self._ticked_at = self._swept_at = clock()
        self._closing = False

    def __repr__(self) -> str:
        states = ", ".join(f"{model.name} {model.state}" for model in self.models.values())
        return f"<Supervisor of {states}>"

    def statuses(self) -> tuple[ModelStatus, ...]:
        now = self.clock()
        return tuple(status_of(model, now) for model in self.models.values())

    def devices(self) -> tuple[DeviceStatus, ...]:
        return device_statuses(self.transitions.ledger, self.models.values())

    # Before `run`

    def take(self, fixed: Mapping[str, Fixed]) -> None:
        """The first catalogue."""
        for name, each in fixed.items():
            self.models[name] = make_model(each, self.transitions)
            self._touched.add(name)

    def adopt(self, name: str, place: Place, spec: EngineSpec) -> None:
        """An engine that an earlier manager left running."""
        self.transitions.adopt(self.models[name], place, spec, self.clock())

    async def run(self) -> None:
        """Handles events until the manager ends."""
        self._opened_at = self.clock()  # what was adopted, or ended, before may have taken longer than callers wait
        for model in self.models.values():
            if model.fixed.entry.preload:
                self._callers.load_wanted(model, self.clock())
        while not self.ended.is_set():
            self.handle(await self._next_event())

    async def _next_event(self) -> Event:
        try:
            async with asyncio.timeout(TICK_SECONDS):  # `wait_for` can lose a cancellation: see `leases.py`
                return await self._events.get()
        except TimeoutError:
            return Tick()

    def handle(self, event: Event) -> None:
        """One step: the event's own change, then all that follows from it."""
        now = self.clock()
        self._change(event, now)
        if isinstance(event, Tick) or now - self._ticked_at >= TICK_SECONDS:
            self._tick(now)
        self._inform_scheduler()
        if self._closing:
            self._go_on_closing()
        else:
            self._decide(now)
        if isinstance(event, SETTLING):
            self.transitions.effects.look()
        self._tell(now)

    def _change(self, event: Event, now: float) -> None:
        match event:
            case CatalogueRead(catalogue, fixed):
                self._touched.update(self.models, fixed)  # before, so that those that it removes are among them
                self._succession.apply(fixed, now)
                self.news.catalogue_read(catalogue, self.statuses())
            case CatalogueRefused(reason):
                self.news.catalogue_refused(reason)
            case MemorySeen(at, devices):
                self._touched |= self._lookout.look(at, devices)
            case ShutdownWanted():
                self._touched.update(self.models)
                (self._hurry if self._closing else self._begin_closing)(now)
            case Tick():
                pass
            case LeaseOpened(lease) if self._closing:
                lease.tell(manager_stopping())
            case LeaseOpened(lease) if lease.model not in self.models:
                lease.tell(gone(lease.model))
            case LeaseOpened(lease) | LeaseClosed(lease) | LeaseAdmitted(lease, _, _) | AdmissionFailed(lease, _):
                self._of(lease.model, event, now)
            case _:
                self._of(event.model, event, now)

    def _of(self, name: str, event: ModelEvent, now: float) -> None:
        model = self.models.get(name)
        if model is None:  # it is gone from the catalogue, and so is its engine
            return
        self._touched.add(name)
        told(self._callers, model, event, now)
        self._touched |= self._succession.settle(model)

    def _tick(self, now: float) -> None:
        """What time alone brings about."""
        self._ticked_at = now
        for model in self.models.values():
            self.transitions.end_drain(model, now)
            self._callers.admit_again(model)
            model.forget_old_want(now)
            if model.state not in {ModelState.STOPPED, ModelState.UNAVAILABLE}:
                self._touched.add(model.name)
        if now - self._swept_at >= self.policy.sweep_every:
            self._swept_at = now
            running = (model.fixed.container for model in self.models.values() if model.engine is not None)
            self.transitions.effects.sweep(frozenset(running))

    def _inform_scheduler(self) -> None:
        for name in self._touched:
            model = self.models.get(name)
            if model is None:
                self.scheduler.remove(name)
                continue
            wanted = model.wanted_since is not None
            if model.state in {ModelState.STOPPED, ModelState.QUEUED}:
                model.state = ModelState.QUEUED if wanted else ModelState.STOPPED
            self.scheduler.put(model.stall())

    def _decide(self, now: float) -> None:
        may_evict = now - self._opened_at >= self.policy.settle
        actions = self.scheduler.decide(now, self.transitions.ledger.tracks(), may_evict=may_evict)
        for action in actions:
            act(self.transitions, action, self.models[action.name], now)
            self._touched.add(action.name)
        if actions:
            self._inform_scheduler()

    def _tell(self, now: float) -> None:
        for name in self._touched:
            model = self.models.get(name)
            if model is None:
                self.news.forget(name, now)
            else:
                self.news.tell_of(model, now, self.scheduler.position(name))
        self._touched.clear()

    def _begin_closing(self, now: float) -> None:
        self._closing = True
        for model in self.models.values():
            for lease in [lease for lease in model.leases if not lease.holds]:
                lease.tell(manager_stopping())
            self.transitions.put_away(model, self.policy.shutdown_drain, now, "manager stops")

    def _hurry(self, now: float) -> None:
        """Asked for a second time: nothing that is in flight is waited for any more, and no engine's own end."""
        for model in self.models.values():
            self.transitions.put_away(model, 0, now, "manager stops")
            if model.engine is not None:
                self.transitions.effects.hurry(model.engine)

    def _go_on_closing(self) -> None:
        if all(model.engine is None for model in self.models.values()):
            self.ended.set()
