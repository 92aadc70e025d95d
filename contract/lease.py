"""The lease stream: one JSON object a line, from the manager to a proxy worker.

`POST /models/{name}/lease` stays open for as long as the worker uses the model.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

HEARTBEAT_SECONDS = 5.0


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Queued(_Event):
    """The model waits for memory; `position` 1 is next."""

    event: Literal["queued"] = "queued"
    position: int
    reason: str | None = None  # what it waits for


class Fetching(_Event):
    """Weights are on their way. `total` is None while the source has not said."""

    event: Literal["fetching"] = "fetching"
    bytes: int
    total: int | None = None


class Starting(_Event):
    """The engine is starting: how long so far, and how long it usually takes."""

    event: Literal["starting"] = "starting"
    phase: str
    seconds: float
    usual_seconds: float | None = None


class Waking(_Event):
    event: Literal["waking"] = "waking"
    seconds: float
    usual_seconds: float | None = None


class Ready(_Event):
    """Requests may be sent to `endpoint`, e.g. `http://172.18.0.2:8000`."""

    event: Literal["ready"] = "ready"
    endpoint: str


class Drain(_Event):
    """Send nothing new, finish what is in flight within `seconds`, close, and open a new lease if requests wait."""

    event: Literal["drain"] = "drain"
    seconds: float


class Failed(_Event):
    """The lease is over: the model could not be made ready, or its engine died."""

    event: Literal["failed"] = "failed"
    code: str
    reason: str
    log_tail: tuple[str, ...] = ()
    retry_after: float | None = None


class Heartbeat(_Event):
    event: Literal["heartbeat"] = "heartbeat"


LeaseEvent = Annotated[
    Queued | Fetching | Starting | Waking | Ready | Drain | Failed | Heartbeat, Field(discriminator="event")
]
_ADAPTER: TypeAdapter[LeaseEvent] = TypeAdapter(LeaseEvent)


def encode_event(event: LeaseEvent) -> bytes:
    """One event -> one line of the stream."""
    return event.model_dump_json().encode() + b"\n"


def decode_event(line: bytes) -> LeaseEvent:
    """One line of the stream -> its event. Raises pydantic.ValidationError for anything else."""
    return _ADAPTER.validate_json(line)


def describe(event: LeaseEvent) -> str:
    """An event in words, as people see it while they wait."""
    match event:
        case Queued():
            return f"queued: position {event.position}" + (f", {event.reason}" if event.reason else "")
        case Fetching():
            return f"fetching weights: {event.bytes} of {event.total or 'unknown'} bytes"
        case Starting():
            return f"starting: {event.phase}, {_elapsed(event.seconds, event.usual_seconds)}"
        case Waking():
            return f"waking: {_elapsed(event.seconds, event.usual_seconds)}"
        case Failed():
            return f"failed: {event.reason}"
        case _:
            return event.event


def _elapsed(seconds: float, usual: float | None) -> str:
    return f"{seconds:.0f} s" if usual is None else f"{seconds:.0f} of about {usual:.0f} s"
