"""What people, proxies and those who wait are told of a model and of the devices."""

from collections.abc import Iterable
from math import ceil

from contract.lease import Failed, Fetching, LeaseEvent, Queued, Starting, Waking
from contract.sizes import show_bytes
from contract.states import DeviceStatus, ModelState, ModelStatus
from manager.scheduling.ledger import Ledger
from manager.specification import Failure
from manager.supervision.model import Model

TIMED = frozenset({ModelState.STARTING, ModelState.WAKING})
BESIDE = {
    ModelState.DRAINING: "requests in flight finish first",
    ModelState.STOPPING: "its last engine ends first",
    ModelState.SLEEPING: "it goes to sleep first",
}


def progress_of(model: Model, now: float, position: int) -> LeaseEvent | None:
    """What those who wait are told, or None where there is no news to wait for."""
    match model.state:
        case ModelState.READY | ModelState.UNAVAILABLE:
            return None
        case ModelState.FETCHING:
            return Fetching(bytes=model.fetched[0], total=model.fetched[1] or None)
        case ModelState.STARTING:
            phase = model.phase or "starting"
            return Starting(phase=phase, seconds=seconds_of(model, now) or 0, usual_seconds=model.usual_seconds)
        case ModelState.WAKING:
            return Waking(seconds=seconds_of(model, now) or 0, usual_seconds=model.usual_seconds)
        case _:
            return Queued(position=max(1, position), reason=waits_for(model, now))


def waits_for(model: Model, now: float) -> str | None:
    """What a model that is queued waits for, where it is known."""
    if model.retry_at > now and model.failure is not None:
        return f"a pause of {model.retry_at - now:.0f} s after a failure: {model.failure.reason}"
    return BESIDE.get(model.state)


def failed_event(model: Model, now: float) -> Failed:
    """Why the model is not ready, as a caller is told."""
    lacks = model.fixed.lacks
    if lacks is not None:
        return Failed(code="model_unavailable", reason=f"{model.name} cannot run here: {lacks}")
    failure = model.failure or Failure("engine_start_failed", "the engine did not start")
    wait = max(0.0, model.retry_at - now)
    return Failed(code=failure.code, reason=failure.reason, log_tail=failure.log_tail, retry_after=wait)


def manager_stopping() -> Failed:
    reason = "the manager is stopping; ask again when it is back"
    return Failed(code="manager_stopping", reason=reason, retry_after=1)


def seconds_of(model: Model, now: float) -> float | None:
    """How long it has been starting or waking, in whole seconds."""
    return float(round(now - model.started_at)) if model.state in TIMED else None


def status_of(model: Model, now: float) -> ModelStatus:
    """A snapshot for people and proxies."""
    fixed, entry = model.fixed, model.fixed.entry
    return ModelStatus(
        name=model.name,
        type=entry.type,
        aliases=entry.aliases,
        default_for=entry.default_for,
        engine=fixed.kind.name if fixed.kind else "none",
        container=fixed.container,
        state=model.state,
        phase=_phase(model),
        seconds=seconds_of(model, now),
        usual_seconds=model.usual_seconds if model.state in TIMED else None,
        reason=fixed.lacks or (model.failure.reason if model.failure else None),
        log_tail=model.failure.log_tail if model.failure else (),
        retry_after=_pause(model, now),
        memory=model.holds or model.need,
        used=model.used >> 24 << 24,  # in steps of 16 MiB, so that noise is no news
        peak=model.lessons.peak,
        host_memory=model.host_held if model.sleep else 0,
        sleep_level=model.sleep.level if model.sleep and model.state is ModelState.ASLEEP else None,
        device=model.place[0] if model.place else None,
        devices=model.place,
        leases=len(model.leases),
        created=fixed.created,
    )


def _pause(model: Model, now: float) -> float | None:
    """How long until it is tried again after a failure, in whole seconds, or None where nothing holds that up."""
    wait = model.retry_at - now
    return float(ceil(wait)) if model.failure is not None and wait > 0 else None


def _phase(model: Model) -> str | None:
    if model.state is ModelState.FETCHING:
        here, total = model.fetched
        return f"{show_bytes(here)} of {show_bytes(total)}"
    return model.phase if model.state is ModelState.STARTING else None


def device_statuses(ledger: Ledger, models: Iterable[Model]) -> tuple[DeviceStatus, ...]:
    """Each device with what is booked on it."""
    known, tracks = tuple(models), ledger.tracks()
    return tuple(
        DeviceStatus(
            id=seen.id,
            kind=seen.kind,
            name=seen.name,
            total=seen.total,
            budget=tracks[seen.id].budget,
            free=seen.free,
            booked=sum(model.holds for model in known if seen.id in model.place),
            others=ledger.others(seen.id),
            models=tuple(model.name for model in known if seen.id in model.place),
        )
        for seen in ledger.devices
    )
