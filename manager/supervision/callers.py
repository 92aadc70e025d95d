"""What callers ask for, by leases and by hand, and what becomes of it."""

from contract.lease import Failed, Ready
from contract.states import ModelState
from manager.supervision.leases import Lease
from manager.supervision.model import Model
from manager.supervision.reports import failed_event
from manager.supervision.transitions import RUNNING, Transitions

BUSY_SECONDS = 5.0


class Callers:
    """Called by the supervisor alone. `now` is seconds of its clock; `most` leases of a model may be open at once."""

    def __init__(self, transitions: Transitions, most: int) -> None:
        self.transitions = transitions
        self.most = most

    def lease_opened(self, model: Model, lease: Lease, now: float) -> None:
        lease.opened_at = now
        if model.fixed.lacks is not None or (model.state is ModelState.FAILED and model.retry_at > now):
            lease.tell(failed_event(model, now))
        elif model.removed:
            lease.tell(gone(model.name))
        elif len(model.leases) >= self.most:
            reason = f"{len(model.leases)} leases of {model.name} are open already"
            lease.tell(Failed(code="overloaded", reason=reason, retry_after=BUSY_SECONDS))
        else:
            model.leases.append(lease)
            if model.state is ModelState.READY:
                self.transitions.admit(model, lease)

    def lease_closed(self, model: Model, lease: Lease, now: float) -> None:
        if lease in model.leases:
            model.leases.remove(lease)
            model.last_used = now
            if not lease.holds and model.state is not ModelState.READY:
                model.leave_behind(lease)
        self.transitions.end_drain(model, now)

    def lease_admitted(self, model: Model, lease: Lease, run: int, endpoint: str) -> None:
        if run == model.run and model.state is ModelState.READY and lease in model.leases:
            lease.tell(Ready(endpoint=endpoint))

    def admission_failed(self, model: Model, lease: Lease, run: int) -> None:
        if run == model.run:
            model.turned_away.append(lease)

    def admit_again(self, model: Model) -> None:
        """Those who were turned away try once more: nobody waits for ever at an engine that serves."""
        again, model.turned_away = model.turned_away, []
        if model.state is ModelState.READY:
            for lease in again:
                if lease in model.leases:
                    self.transitions.admit(model, lease)

    def load_wanted(self, model: Model, now: float) -> None:
        if model.fixed.lacks is None and model.state not in RUNNING:
            model.load_wanted_at = now
            model.retry_at = 0

    def unload_wanted(self, model: Model, now: float) -> None:
        model.forget_wants()
        model.unloaded_at = now
        self.transitions.put_away(model, model.fixed.drain_bound, now, "unloaded")

    def keep_wanted(self, model: Model, seconds: float) -> None:
        """Holds for as long as the engine that is there now, or comes next, stays awake."""
        model.keep = seconds


def gone(name: str) -> Failed:
    return Failed(code="model_removed", reason=f"{name} was removed from models.json")
