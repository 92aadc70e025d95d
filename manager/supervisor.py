"""The one task that owns all engine state: event -> decide -> effects -> event."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contract.lease import Failed
from contract.sizes import show_bytes
from contract.states import ModelState, ModelStatus
from manager.events import (
    EngineDied,
    EngineEnded,
    EngineReady,
    Event,
    Fetched,
    LeaseAdmitted,
    LeaseClosed,
    LeaseOpened,
    LoadWanted,
    PhaseReached,
    ShutdownWanted,
    Tick,
    UnloadWanted,
)
from manager.model import Model
from manager.scheduler import Action, Drain, Refuse, Start, Stop, decide
from manager.specification import EngineSpec, Failure
from manager.transitions import RUNNING, Transitions

TICK_SECONDS = 1.0


@dataclass(frozen=True)
class Policy:
    """Times in seconds, as in the settings; `totals` are the bytes of each device that engines may share."""

    totals: Mapping[str, int]
    fair_share: float
    settle: float
    shutdown_drain: float


class Supervisor:
    """Owns the models. Everybody else posts events and listens to what is published."""

    def __init__(
        self,
        models: Mapping[str, Model],
        transitions: Transitions,
        policy: Policy,
        *,
        publish: Callable[[ModelStatus], None],
        clock: Callable[[], float],
        events: asyncio.Queue[Event],
    ) -> None:
        self.models = dict(models)
        self.transitions = transitions
        self.policy = policy
        self.publish = publish
        self.clock = clock
        self.ended = asyncio.Event()
        self._events = events
        self._published: dict[str, ModelStatus] = {}
        self._opened_at = clock()
        self._closing = False

    def __repr__(self) -> str:
        states = ", ".join(f"{model.name} {model.state}" for model in self.models.values())
        return f"<Supervisor of {states}>"

    def statuses(self) -> tuple[ModelStatus, ...]:
        now = self.clock()
        return tuple(model.status(now) for model in self.models.values())

    def adopt(self, name: str, device: str, spec: EngineSpec) -> None:
        """Before `run`: an engine that an earlier manager left running."""
        self.transitions.adopt(self.models[name], device, spec, self.clock())

    async def run(self) -> None:
        """Handles events until the manager ends."""
        for model in self.models.values():
            if model.fixed.entry.preload:
                self.transitions.load_wanted(model, self.clock())
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
        for model in self.models.values():
            self.transitions.end_drain(model, now)
            model.forget_old_want(now)
        if self._closing:
            self._go_on_closing()
        else:
            self._decide(now)
        self._tell_waiting(now)
        self._publish_changes(now)

    def _change(self, event: Event, now: float) -> None:  # noqa: PLR0912  one case an event
        transitions, models = self.transitions, self.models
        match event:
            case LeaseOpened(lease) if self._closing:
                lease.tell(_stopping())
            case LeaseOpened(lease):
                transitions.lease_opened(models[lease.model], lease, now)
            case LeaseClosed(lease):
                transitions.lease_closed(models[lease.model], lease, now)
            case LeaseAdmitted(lease, run, endpoint):
                transitions.lease_admitted(models[lease.model], lease, run, endpoint)
            case LoadWanted(name):
                transitions.load_wanted(models[name], now)
            case UnloadWanted(name):
                transitions.unload_wanted(models[name], now)
            case Fetched(name, run, here, total):
                transitions.fetched(models[name], run, here, total)
            case PhaseReached(name, run, phase):
                transitions.phase_reached(models[name], run, phase)
            case EngineReady(name, run, spec):
                transitions.engine_ready(models[name], run, spec, now)
            case EngineDied(name, run, failure):
                transitions.engine_died(models[name], run, failure, now)
            case EngineEnded(name, run, failure):
                transitions.engine_ended(models[name], run, failure, now)
            case ShutdownWanted():
                self._begin_closing(now)
            case Tick():
                pass  # what time alone brings about is looked at after every event

    def _decide(self, now: float) -> None:
        actions = decide(
            now,
            [model.stall() for model in self.models.values()],
            self.policy.totals,
            fair_share=self.policy.fair_share,
            may_evict=now - self._opened_at >= self.policy.settle,
        )
        for action in actions:
            self._do(action, now)

    def _do(self, action: Action, now: float) -> None:
        model = self.models[action.name]
        match action:
            case Start(_, device):
                self.transitions.start(model, device, now)
            case Stop():
                self.transitions.stop(model)
            case Drain():
                self.transitions.drain(model, model.fixed.drain_bound, now)
            case Refuse():
                most = max(self.policy.totals.values(), default=0)
                reason = f"needs {show_bytes(model.fixed.need)}, more than a device has ({show_bytes(most)})"
                self.transitions.refuse(model, Failure("out_of_memory", reason), now)

    def _tell_waiting(self, now: float) -> None:
        """Positions and progress to all who wait."""
        waiting = [model for model in self.models.values() if model.wanted_since is not None]
        waiting.sort(key=lambda model: (model.awaited_since is None, model.wanted_since))
        queued = [model for model in waiting if model.state not in RUNNING]
        for model in queued:
            if model.state is ModelState.STOPPED:
                model.state = ModelState.QUEUED
        for model in waiting:
            event = model.progress(now, queued.index(model) + 1 if model in queued else 1)
            for lease in model.leases:
                if event is not None and not lease.holds:
                    lease.tell(event)
        for model in self.models.values():
            if model.state is ModelState.QUEUED and model.wanted_since is None:
                model.state = ModelState.STOPPED

    def _publish_changes(self, now: float) -> None:
        for model in self.models.values():
            status = model.status(now)
            if self._published.get(model.name) != status:
                self._published[model.name] = status
                self.publish(status)

    def _begin_closing(self, now: float) -> None:
        self._closing = True
        for model in self.models.values():
            for lease in [lease for lease in model.leases if not lease.holds]:
                lease.tell(_stopping())
            if model.state is ModelState.READY:
                self.transitions.drain(model, self.policy.shutdown_drain, now)
            elif model.state in RUNNING:
                self.transitions.stop(model)

    def _go_on_closing(self) -> None:
        if all(model.engine is None for model in self.models.values()):
            self.ended.set()


def _stopping() -> Failed:
    return Failed(code="manager_stopping", reason="the manager is stopping; ask again when it is back", retry_after=1)
