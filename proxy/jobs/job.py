"""A job as it is kept: a value; what happens to it makes a new one."""

import secrets
from typing import Any

import msgspec

from contract.jobs import JobStatus

VIDEO = "video"
IMAGE = "image"
PREFIXES = {VIDEO: "video_", IMAGE: "imgjob_"}
ID_PATTERN = r"(video|imgjob)_[0-9a-f]{32}"


class Failure(msgspec.Struct, frozen=True):
    """Why it failed: the error object's fields, for the caller."""

    code: str
    message: str
    type: str | None = None
    param: str | None = None
    origin: str | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What was made. `artifacts` and `seeds` go together; the lengths are 0 for pictures."""

    artifacts: tuple[str, ...]
    seeds: tuple[int | None, ...] = ()
    size: str = ""
    fps: int = 0
    frames: int = 0
    seconds: float = 0.0
    ignored: tuple[str, ...] = ()


class Job(msgspec.Struct, frozen=True):
    """One job, durable. Times are seconds since 1970.

    request: what the engine is asked, without the picture
    reference: the artifact that the caller sent for it; keyframe: the one that was made for it
    key: the id of the key that asked for it; "" where none was asked for
    painter: the model that makes a keyframe where there is none; shape: the size that it is asked for
    runs: how often an engine began it
    expires: when what it made, or what is known of it, is removed
    """

    id: str
    kind: str
    owner: str
    model: str
    created: int
    request: dict[str, Any]
    status: JobStatus = JobStatus.QUEUED
    key: str = ""
    reference: str | None = None
    keyframe: str | None = None
    painter: str | None = None
    shape: str | None = None
    seconds: str = ""
    size: str = "auto"
    remix_of: str | None = None
    runs: int = 0
    completed: int | None = None
    expires: int | None = None
    failure: Failure | None = None
    outcome: Outcome | None = None

    @property
    def prompt(self) -> str:
        return str(self.request.get("prompt", ""))

    @property
    def is_over(self) -> bool:
        return self.status in {JobStatus.COMPLETED, JobStatus.FAILED}


def new_id(kind: str) -> str:
    """An id that nobody can guess."""
    return PREFIXES[kind] + secrets.token_bytes(16).hex()
