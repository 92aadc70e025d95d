"""What can happen to the supervisor. Everything that changes an engine's state arrives as one of these.

`run` numbers the runs of one engine, so that news of a run that is over is told from news of the present one.
"""

from dataclasses import dataclass

from manager.leases import Lease
from manager.specification import EngineSpec, Failure


@dataclass(frozen=True)
class LeaseOpened:
    lease: Lease


@dataclass(frozen=True)
class LeaseClosed:
    lease: Lease


@dataclass(frozen=True)
class LeaseAdmitted:
    """The lease's worker can reach the engine of this run at `endpoint`."""

    lease: Lease
    run: int
    endpoint: str


@dataclass(frozen=True)
class LoadWanted:
    model: str


@dataclass(frozen=True)
class UnloadWanted:
    model: str


@dataclass(frozen=True)
class Fetched:
    """So many bytes of the weights are here."""

    model: str
    run: int
    bytes: int
    total: int


@dataclass(frozen=True)
class PhaseReached:
    model: str
    run: int
    phase: str


@dataclass(frozen=True)
class EngineReady:
    model: str
    run: int
    spec: EngineSpec


@dataclass(frozen=True)
class EngineDied:
    """An engine that served is gone; its traces are about to be removed."""

    model: str
    run: int
    failure: Failure


@dataclass(frozen=True)
class EngineEnded:
    """The run is over and its traces are gone. `failure` is None where it was asked to end."""

    model: str
    run: int
    failure: Failure | None


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class ShutdownWanted:
    """The manager is about to end: drain, then stop all engines."""


Event = (
    LeaseOpened
    | LeaseClosed
    | LeaseAdmitted
    | LoadWanted
    | UnloadWanted
    | Fetched
    | PhaseReached
    | EngineReady
    | EngineDied
    | EngineEnded
    | Tick
    | ShutdownWanted
)
EngineEvent = Fetched | PhaseReached | EngineReady | EngineDied | EngineEnded
