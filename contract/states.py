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
    memory: int = 0
    device: str | None = None
    leases: int = 0
    created: int = 0


class ModelList(BaseModel):
    """The body of `GET /models`, and the first event of `GET /events` (`models`)."""

    models: tuple[ModelStatus, ...]
