"""How one model's state changes as its engine starts, serves, sleeps, wakes and ends, and the effects that follow."""

import logging
from dataclasses import replace

from contract.lease import Drain
from contract.states import ModelState
from manager.engines.kind import SleepLevel
from manager.fixed import Place
from manager.scheduling.ledger import Ledger
from manager.scheduling.stall import Bed
from manager.specification import EngineSpec, Failure
from manager.supervision.effects import Effects
from manager.supervision.endings import Endings
from manager.supervision.learning import Learning
from manager.supervision.leases import Lease
from manager.supervision.model import Model

log = logging.getLogger(__name__)

RUNNING = frozenset({ModelState.READY, ModelState.STARTING, ModelState.FETCHING, ModelState.WAKING})

DRAINED = Failure("drained", "the model had to go, and what was in flight had its time")


class Transitions(Endings):
    """Called by the supervisor and by `Callers` alone. `now` is seconds of the supervisor's clock."""

    def __init__(self, effects: Effects, ledger: Ledger) -> None:
        super().__init__(effects, ledger)
        self.learning = Learning(effects, ledger)

    # Weights

    def fetch(self, model: Model) -> None:
        model.run += 1
        model.state, model.fetched = ModelState.FETCHING, (0, 0)
        model.errand = self.effects.fetch(model.fixed, model.run)

    def fetched(self, model: Model, here: int, total: int) -> None:
        if model.state is ModelState.FETCHING:
            model.fetched = (here, total)

    def fetch_ended(self, model: Model, failure: Failure | None, now: float) -> None:
        if model.state is not ModelState.FETCHING:
            return
        model.errand = None
        model.state = ModelState.STOPPED
        if failure is not None:
            self.refuse(model, failure, now)

    # Starting

    def start(self, model: Model, place: Place, now: float) -> None:
        self._begin_run(model, place, now)
        self.ledger.moves(model.name, place, max(model.holds, model.fixed.grant), expected=model.holds)
        model.engine = self.effects.launch(model.fixed, model.run, place, self.ledger.devices)

    def adopt(self, model: Model, place: Place, spec: EngineSpec, now: float) -> None:
        """An engine that an earlier manager left; what it takes cannot be measured any more."""
        self._begin_run(model, place, now)
        self.ledger.adopts(model.name, place, model.lessons.peak or model.holds, now)
        model.phase = "adopting"
        model.engine = self.effects.adopt(model.fixed, model.run, place, spec)

    def _begin_run(self, model: Model, place: Place, now: float) -> None:
        model.run += 1
        model.state, model.phase, model.place, model.holds = ModelState.STARTING, None, place, model.need
        model.started_at = now

    def phase_reached(self, model: Model, phase: str) -> None:
        if model.state is ModelState.STARTING:
            model.phase = phase

    def engine_ready(self, model: Model, spec: EngineSpec, now: float) -> None:
        if model.state is not ModelState.STARTING or model.engine is None:
            return
        if model.engine.run.adopted:
            log.info("%s is adopted", model.name)
        else:
            log.info("%s is ready after %.1f s", model.name, now - model.started_at)
            self.learning.keep(model, model.lessons.after_start(now - model.started_at))
            self.ledger.settles(model.name, now)
        model.spec = spec
        self._serve(model, now)

    def _serve(self, model: Model, now: float) -> None:
        model.state, model.failure = ModelState.READY, None
        model.ready_since = model.last_used = now
        model.forget_wants()
        for lease in model.leases:
            self.admit(model, lease)

    def admit(self, model: Model, lease: Lease) -> None:
        if model.spec is not None:
            self.effects.admit(model.spec, model.run, lease)

    # Sleeping and waking

    def sleep(self, model: Model, bed: Bed) -> None:
        level = next((each for each in model.sleep_levels() if each.level == bed.level), None)
        if level is None or model.engine is None:
            self.stop(model)
            return
        model.end_service()
        model.state, model.sleep, model.after_drain = ModelState.SLEEPING, level, None
        self.ledger.moves(model.name, model.place, model.holds, expected=model.lessons.residue or model.holds)
        self.effects.sleep(model.engine, level.level)

    def engine_asleep(self, model: Model, now: float) -> None:
        if model.state is not ModelState.SLEEPING:
            return
        log.info("%s is asleep, level %d", model.name, model.sleep.level if model.sleep else 0)
        model.absolve(now)
        model.state, model.asleep_since = ModelState.ASLEEP, now
        self.ledger.settles(model.name, now)

    def sleeper_found(self, model: Model, spec: EngineSpec, level: SleepLevel, now: float) -> None:
        """An adopted engine sleeps, and nobody knows how deep: its weights may be in host memory."""
        if model.state is not ModelState.STARTING:
            return
        log.info("%s is adopted, asleep", model.name)
        model.spec = spec
        model.sleep = replace(level, keeps_weights=any(each.keeps_weights for each in model.sleep_levels()))
        model.state, model.asleep_since, model.holds = ModelState.ASLEEP, now, model.lessons.residue
        self.ledger.adopts(model.name, model.place, model.holds, now)

    def wake(self, model: Model, now: float) -> None:
        if model.engine is None:
            return
        model.state, model.started_at, model.holds = ModelState.WAKING, now, model.need
        self.ledger.moves(model.name, model.place, max(model.holds, model.fixed.grant), expected=model.holds)
        self.effects.wake(model.engine)

    def engine_awake(self, model: Model, now: float) -> None:
        if model.state is not ModelState.WAKING:
            return
        log.info("%s is awake after %.1f s", model.name, now - model.started_at)
        self.learning.keep(model, model.lessons.after_wake(now - model.started_at))
        model.sleep = None
        self.ledger.settles(model.name, now)
        self._serve(model, now)

    # The end

    def drain(self, model: Model, bed: Bed | None, seconds: float, now: float) -> None:
        """No new request, at most `seconds` for those in flight, then bed or the end."""
        log.info("%s drains for at most %.0f s", model.name, seconds)
        model.end_service()
        model.state, model.after_drain = ModelState.DRAINING, bed
        model.drain_until = now + seconds
        for lease in model.holders:
            lease.tell(Drain(seconds=seconds))
        self.end_drain(model, now)

    def end_drain(self, model: Model, now: float) -> None:
        """What is left at the bound is cut: its lease fails, and the proxy ends its streams with an error."""
        if model.state is not ModelState.DRAINING or (model.holders and now < model.drain_until):
            return
        self.dismiss(model, model.holders, DRAINED)
        if model.after_drain is not None:
            self.sleep(model, model.after_drain)
        else:
            self.stop(model)

    def put_away(self, model: Model, seconds: float, now: float, why: str) -> None:
        """Whatever it does, it ends: drained first where it is used."""
        model.departure = why
        match model.state:
            case ModelState.FETCHING:
                self._cancel_fetch(model)
            case ModelState.READY if model.holders:
                self.drain(model, None, seconds, now)
            case ModelState.DRAINING if now + seconds < model.drain_until:
                self.drain(model, None, seconds, now)
            case ModelState.DRAINING:
                model.after_drain = None
            case ModelState.READY | ModelState.STARTING | ModelState.SLEEPING | ModelState.ASLEEP | ModelState.WAKING:
                self.stop(model)
            case ModelState.FAILED:
                model.forgive()

    def _cancel_fetch(self, model: Model) -> None:
        if model.errand is not None:
            self.effects.cancel(model.errand)
        model.errand, model.state = None, ModelState.STOPPED
        model.run += 1  # what it still tells is old news
