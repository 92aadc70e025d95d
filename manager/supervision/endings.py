"""How an engine's run ends, and what becomes of those who used it or waited for it."""

import logging

from contract.lease import Failed
from contract.states import ModelState
from manager.scheduling.ledger import Ledger
from manager.specification import Failure
from manager.supervision.effects import Effects
from manager.supervision.leases import Lease
from manager.supervision.model import Model
from manager.supervision.reports import failed_event

log = logging.getLogger(__name__)

# An engine that has served, and whose end is a death and not a failed start.
ALIVE = frozenset({ModelState.READY, ModelState.DRAINING, ModelState.SLEEPING, ModelState.ASLEEP, ModelState.WAKING})

DIED = "died"

ROOM_PAUSE = 1.0  # seconds until somebody who waits for memory may wait again


class Endings:
    """The part of the transitions that every other part may lead to."""

    def __init__(self, effects: Effects, ledger: Ledger) -> None:
        self.effects = effects
        self.ledger = ledger

    def engine_died(self, model: Model, failure: Failure, now: float) -> None:
        """An engine that served is gone: who used it is told, who waits goes on waiting for the next run."""
        if model.state not in ALIVE:
            return
        log.warning("%s died: %s", model.name, failure.reason)
        model.absolve(now)
        model.failed(failure, now)
        if model.failures == 1:
            model.retry_at = now  # one death is no loop: whoever asks next does not wait for the pause
        model.end_service()
        model.state, model.departure = ModelState.STOPPING, DIED
        self.dismiss(model, model.holders, failure)

    def engine_ended(self, model: Model, failure: Failure | None, now: float) -> None:
        asked = model.state is ModelState.STOPPING
        # It served an earlier manager, so its end says nothing against a start: who waits goes on waiting for one.
        served_before = model.state is ModelState.STARTING and model.engine is not None and model.engine.run.adopted
        self.ledger.leaves(model.name, now)
        if model.failure is None:
            model.absolve(now)
        model.end_service()
        model.clear_run()
        if model.fixed.lacks is not None:
            self.dismiss(model, tuple(model.leases), Failure("model_unavailable", model.fixed.lacks))
        elif failure is not None and served_before:
            log.warning("%s could not be adopted: %s", model.name, failure.reason)
        elif failure is not None and not asked:
            if failure.code in {"weights_missing", "weights_changed"}:
                model.here = model.fixed.entry.is_local  # what is gone or damaged is fetched again
            self.refuse(model, failure, now)

    def stop(self, model: Model) -> None:
        model.end_service()
        model.state = ModelState.STOPPING
        if model.engine is not None:
            self.effects.end(model.engine)

    def refuse(self, model: Model, failure: Failure, now: float) -> None:
        """The model cannot be made ready: all who wait are told why."""
        log.warning("%s failed: %s: %s", model.name, failure.code, failure.reason)
        model.failed(failure, now)
        self._tell_why(model, now)

    def turn_away(self, model: Model, failure: Failure, now: float) -> None:
        """There is no room for the model, which is no fault of its own: who asks next is heard anew."""
        log.warning("%s is turned away: %s", model.name, failure.reason)
        model.failure, model.retry_at = failure, now + ROOM_PAUSE
        self._tell_why(model, now)

    def _tell_why(self, model: Model, now: float) -> None:
        if model.engine is None:
            model.state = ModelState.FAILED
        model.forget_wants()
        for lease in tuple(model.leases):
            lease.tell(failed_event(model, now))
        model.leases.clear()

    def dismiss(self, model: Model, leases: tuple[Lease, ...], failure: Failure) -> None:
        """Their leases are over."""
        for lease in leases:
            lease.tell(Failed(code=failure.code, reason=failure.reason, log_tail=failure.log_tail))
            model.leases.remove(lease)
