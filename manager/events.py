"""What can happen to the supervisor. Everything that changes an engine's state arrives as one of these.

`run` numbers the runs of one engine, so that news of a run that is over is told from news of the present one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.catalogue import Catalogue
from manager.box.devices import DeviceSeen
from manager.engines.kind import SleepLevel
from manager.fixed import Fixed
from manager.specification import EngineSpec, Failure
from manager.supervision.leases import Lease


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
class AdmissionFailed:
    """The lease's worker could not be let to the engine of this run: Docker may be away for a moment."""

    lease: Lease
    run: int


@dataclass(frozen=True)
class LoadWanted:
    model: str


@dataclass(frozen=True)
class UnloadWanted:
    model: str


@dataclass(frozen=True)
class KeepWanted:
    """The model is to stay for so many seconds without use: inf is for ever, 0 is not at all."""

    model: str
    seconds: float


@dataclass(frozen=True)
class Fetched:
    """So many bytes of the weights are here."""

    model: str
    run: int
    bytes: int
    total: int


@dataclass(frozen=True)
class WeightsMeasured:
    """Weights that were fetched are so many bytes, and the engine may have `grant` bytes of its device for them."""

    model: str
    run: int
    size: int
    grant: int


@dataclass(frozen=True)
class FetchEnded:
    """The weights are here, or `failure` says why they are not."""

    model: str
    run: int
    failure: Failure | None


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
class EngineAsleep:
    """The engine has given its device's memory back; `level` is the engine's own word for how deep it sleeps."""

    model: str
    run: int
    level: int


@dataclass(frozen=True)
class SleeperFound:
    """An engine of an earlier manager is asleep, and can be woken as from `level`."""

    model: str
    run: int
    spec: EngineSpec
    level: SleepLevel


@dataclass(frozen=True)
class EngineAwake:
    """The engine serves again."""

    model: str
    run: int


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
class MemorySeen:
    """The devices' memory, no older than `at` on the supervisor's clock."""

    at: float
    devices: tuple[DeviceSeen, ...]


@dataclass(frozen=True)
class CatalogueRead:
    """`models.json` says something new, and this is what it makes of each model."""

    catalogue: Catalogue
    fixed: Mapping[str, Fixed]


@dataclass(frozen=True)
class CatalogueRefused:
    """`models.json` cannot be used as it stands; the last good one stays."""

    reason: str


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class ShutdownWanted:
    """The manager is about to end: drain, then stop all engines. The second one: at once."""


EngineEvent = PhaseReached | EngineReady | SleeperFound | EngineAsleep | EngineAwake | EngineDied | EngineEnded
FetchEvent = Fetched | WeightsMeasured | FetchEnded
LeaseChange = LeaseOpened | LeaseClosed | LeaseAdmitted | AdmissionFailed
Wish = LoadWanted | UnloadWanted | KeepWanted
ModelEvent = LeaseChange | Wish | FetchEvent | EngineEvent
CatalogueEvent = CatalogueRead | CatalogueRefused
Event = ModelEvent | CatalogueEvent | MemorySeen | Tick | ShutdownWanted
