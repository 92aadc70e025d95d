"""Which transition an event of one model brings about, or an action that the scheduler asks for."""

from manager.events import (
    AdmissionFailed,
    EngineAsleep,
    EngineAwake,
    EngineDied,
    EngineEnded,
    EngineEvent,
    EngineReady,
    Fetched,
    FetchEnded,
    FetchEvent,
    KeepWanted,
    LeaseAdmitted,
    LeaseChange,
    LeaseClosed,
    LeaseOpened,
    LoadWanted,
    ModelEvent,
    PhaseReached,
    SleeperFound,
    UnloadWanted,
    WeightsMeasured,
    Wish,
)
from manager.scheduling.stall import Action, Drain, Fetch, Refuse, Sleep, Start, Stop, Wake
from manager.specification import Failure
from manager.supervision.callers import Callers
from manager.supervision.model import Model
from manager.supervision.transitions import Transitions

SETTLING = (EngineReady, SleeperFound, EngineAsleep, EngineAwake, EngineEnded)


def told(callers: Callers, model: Model, event: ModelEvent, now: float) -> None:
    """Something happened to a model. What an earlier run still tells is over."""
    match event:
        case LeaseOpened() | LeaseClosed() | LeaseAdmitted() | AdmissionFailed():
            _caller_told(callers, model, event, now)
        case LoadWanted() | UnloadWanted() | KeepWanted():
            _caller_told(callers, model, event, now)
        case _ if event.run == model.run:
            _run_told(callers.transitions, model, event, now)


def _caller_told(callers: Callers, model: Model, event: LeaseChange | Wish, now: float) -> None:
    """A caller comes, goes or wishes."""
    match event:
        case LeaseOpened(lease):
            callers.lease_opened(model, lease, now)
        case LeaseClosed(lease):
            callers.lease_closed(model, lease, now)
        case LeaseAdmitted(lease, run, endpoint):
            callers.lease_admitted(model, lease, run, endpoint)
        case AdmissionFailed(lease, run):
            callers.admission_failed(model, lease, run)
        case LoadWanted():
            callers.load_wanted(model, now)
        case UnloadWanted():
            callers.unload_wanted(model, now)
        case KeepWanted(_, seconds):
            callers.keep_wanted(model, seconds)


def _run_told(transitions: Transitions, model: Model, event: EngineEvent | FetchEvent, now: float) -> None:
    """News of the present run."""
    match event:
        case Fetched(_, _, here, total):
            transitions.fetched(model, here, total)
        case WeightsMeasured(_, _, size, grant):
            model.measured(size, grant)
        case FetchEnded(_, _, failure):
            transitions.fetch_ended(model, failure, now)
        case PhaseReached(_, _, phase):
            transitions.phase_reached(model, phase)
        case EngineReady(_, _, spec):
            transitions.engine_ready(model, spec, now)
        case SleeperFound(_, _, spec, level):
            transitions.sleeper_found(model, spec, level, now)
        case EngineAsleep():
            transitions.engine_asleep(model, now)
        case EngineAwake():
            transitions.engine_awake(model, now)
        case EngineDied(_, _, failure):
            transitions.engine_died(model, failure, now)
        case EngineEnded(_, _, failure):
            transitions.engine_ended(model, failure, now)


def act(transitions: Transitions, action: Action, model: Model, now: float) -> None:
    """What the scheduler asks for."""
    match action:
        case Fetch():
            transitions.fetch(model)
        case Start(_, place):
            transitions.start(model, place, now)
        case Wake():
            transitions.wake(model, now)
        case Sleep(_, bed, why):
            model.departure = why
            transitions.sleep(model, bed)
        case Stop(_, why):
            model.departure = why
            transitions.stop(model)
        case Drain(_, bed, why):
            model.departure = why
            transitions.drain(model, bed, model.fixed.drain_bound, now)
        case Refuse(_, why):
            transitions.turn_away(model, Failure("insufficient_memory", f"{model.name} {why}"), now)
