"""How one model's state changes with each event, and the effects that follow from it."""

import logging

from contract.lease import Drain, Failed, Ready
from contract.states import ModelState
from manager.effects import Effects
from manager.leases import Lease
from manager.model import Model
from manager.specification import EngineSpec, Failure

log = logging.getLogger(__name__)

SERVING = frozenset({ModelState.READY, ModelState.DRAINING})
STARTING = frozenset({ModelState.STARTING, ModelState.FETCHING})
RUNNING = frozenset({ModelState.READY, ModelState.STARTING, ModelState.FETCHING, ModelState.WAKING})


class Transitions:
    """Called by the supervisor alone. `now` is seconds of its clock."""

    def __init__(self, effects: Effects) -> None:
        self.effects = effects

    def lease_opened(self, model: Model, lease: Lease, now: float) -> None:
        lease.opened_at = now
        if model.fixed.lacks is not None or (model.state is ModelState.FAILED and model.retry_at > now):
            lease.tell(model.failed_event(now))
            return
        model.leases.append(lease)
        if model.state is ModelState.READY:
            self._admit(model, lease)

    def lease_closed(self, model: Model, lease: Lease, now: float) -> None:
        if lease in model.leases:
            model.leases.remove(lease)
            model.last_used = now
            if not lease.holds and model.state is not ModelState.READY:
                model.leave_behind(lease)
        if model.state is ModelState.DRAINING and not model.holders:
            self.stop(model)

    def lease_admitted(self, model: Model, lease: Lease, run: int, endpoint: str) -> None:
        if run == model.run and model.state is ModelState.READY and lease in model.leases:
            lease.tell(Ready(endpoint=endpoint))

    def load_wanted(self, model: Model, now: float) -> None:
        if model.fixed.lacks is None and model.state not in RUNNING:
            model.load_wanted_at = now
            model.retry_at = 0

    def unload_wanted(self, model: Model, now: float) -> None:
        model.forget_wants()
        model.unloaded_at = now
        if model.state is ModelState.READY and model.holders:
            self.drain(model, model.fixed.drain_bound, now)
        elif model.state in RUNNING:
            self.stop(model)
        elif model.state is ModelState.FAILED:
            model.forgive()

    def fetched(self, model: Model, run: int, here: int, total: int) -> None:
        if run == model.run and model.state in STARTING:
            model.state, model.fetched = ModelState.FETCHING, (here, total)

    def phase_reached(self, model: Model, run: int, phase: str) -> None:
        if run == model.run and model.state in STARTING:
            model.state, model.phase = ModelState.STARTING, phase

    def start(self, model: Model, device: str, now: float) -> None:
        self._begin_run(model, device, now)
        model.engine = self.effects.launch(model.fixed, model.run, device)

    def adopt(self, model: Model, device: str, spec: EngineSpec, now: float) -> None:
        self._begin_run(model, device, now)
        model.phase = "adopting"
        model.engine = self.effects.adopt(model.fixed, model.run, spec)

    def engine_ready(self, model: Model, run: int, spec: EngineSpec, now: float) -> None:
        if run != model.run or model.state is not ModelState.STARTING or model.engine is None:
            return
        if model.engine.run.adopted:
            log.info("%s is adopted", model.name)
        else:
            log.info("%s is ready after %.1f s", model.name, now - model.started_at)
            model.usual_seconds = now - model.started_at
        model.state, model.spec, model.failure = ModelState.READY, spec, None
        model.ready_since = model.last_used = now
        model.forget_wants()
        for lease in model.leases:
            self._admit(model, lease)

    def engine_died(self, model: Model, run: int, failure: Failure, now: float) -> None:
        """An engine that served is gone: who used it is told, who waits goes on waiting for the next run."""
        if run != model.run or model.state not in SERVING:
            return
        log.warning("%s died: %s", model.name, failure.reason)
        if model.served_steadily(now):
            model.failures = 0
        model.failed(failure, now)
        if model.failures == 1:
            model.retry_at = now  # one death is no loop: whoever asks next does not wait for the pause
        model.state = ModelState.STOPPING
        for lease in model.holders:
            self._dismiss(model, lease, Failed(code=failure.code, reason=failure.reason, log_tail=failure.log_tail))

    def engine_ended(self, model: Model, run: int, failure: Failure | None, now: float) -> None:
        if run != model.run:
            return
        asked = model.state is ModelState.STOPPING
        # It served an earlier manager, so its end says nothing against a start: who waits goes on waiting for one.
        served_before = model.state in STARTING and model.engine is not None and model.engine.run.adopted
        model.engine = model.spec = model.device = model.phase = None
        model.state = ModelState.STOPPED
        if failure is not None and served_before:
            log.warning("%s could not be adopted: %s", model.name, failure.reason)
        elif failure is not None and not asked:
            self.refuse(model, failure, now)

    def drain(self, model: Model, seconds: float, now: float) -> None:
        """No new request, at most `seconds` for those in flight, then the end."""
        log.info("%s drains for at most %.0f s", model.name, seconds)
        model.state = ModelState.DRAINING
        model.drain_until = now + seconds
        for lease in model.holders:
            lease.tell(Drain(seconds=seconds))
        if not model.holders:
            self.stop(model)

    def end_drain(self, model: Model, now: float) -> None:
        """What is left at the bound is cut: its lease fails, and the proxy ends its streams with an error."""
        if model.state is not ModelState.DRAINING or now < model.drain_until:
            return
        for lease in model.holders:
            self._dismiss(model, lease, Failed(code="drained", reason="the model was drained to make room"))
        self.stop(model)

    def stop(self, model: Model) -> None:
        model.state = ModelState.STOPPING
        if model.engine is not None:
            self.effects.end(model.engine)

    def refuse(self, model: Model, failure: Failure, now: float) -> None:
        """The model cannot be made ready: all who wait are told why."""
        log.warning("%s failed: %s: %s", model.name, failure.code, failure.reason)
        model.failed(failure, now)
        model.state = ModelState.FAILED
        model.forget_wants()
        for lease in tuple(model.leases):
            self._dismiss(model, lease, model.failed_event(now))

    def _begin_run(self, model: Model, device: str, now: float) -> None:
        model.run += 1
        model.state, model.phase, model.device = ModelState.STARTING, None, device
        model.started_at = now

    def _admit(self, model: Model, lease: Lease) -> None:
        if model.spec is not None:
            self.effects.admit(model.spec, model.run, lease)

    def _dismiss(self, model: Model, lease: Lease, event: Failed) -> None:
        lease.tell(event)
        model.leases.remove(lease)
