"""What the manager tells about a model: its state, and the snapshot behind `GET /models`."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from contract.catalogue import ModelType


class ModelState(StrEnum):
    """Where a model's engine is between not running and serving."""

    UNAVAILABLE = "unavailable"  # this box lacks what the entry requires
    STOPPED = "stopped"
    QUEUED = "queued"  # wanted, waits for memory
    FETCHING = "fetching"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    SLEEPING = "sleeping"  # on its way to sleep
    ASLEEP = "asleep"
    WAKING = "waking"
    FAILED = "failed"


class ModelStatus(BaseModel):
    """One model as the manager sees it now. Times are seconds, memory is bytes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    type: tuple[ModelType, ...]
    aliases: tuple[str, ...] = ()
    default_for: tuple[ModelType, ...] = ()
    engine: str
    container: str
    state: ModelState
    phase: str | None = None
    seconds: float | None = None
    usual_seconds: float | None = None
    reason: str | None = None
    log_tail: tuple[str, ...] = ()
    retry_after: float | None = None  # until it is tried again for who asks; None where nothing holds that up
    memory: int = 0  # what it is booked with on each of its devices
    used: int = 0  # what was measured there
    peak: int = 0  # the most that was ever measured
    host_memory: int = 0  # what it keeps in host memory while asleep
    sleep_level: int | None = None
    device: str | None = None
    devices: tuple[str, ...] = ()
    leases: int = 0
    created: int = 0


class DeviceStatus(BaseModel):
    """One device as the manager sees and books it now. Memory is bytes.

    `budget` is what models may have in all, `booked` what they are booked with, `free` what the device says is free,
    `others` what programs that are not ours use of it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    kind: str
    name: str
    total: int
    budget: int
    free: int
    booked: int
    others: int
    models: tuple[str, ...] = ()


class DeviceList(BaseModel):
    """The body of `GET /devices`."""

    devices: tuple[DeviceStatus, ...]


class ModelList(BaseModel):
    """The body of `GET /models`, and the first event of `GET /events` (`models`)."""

    models: tuple[ModelStatus, ...]
