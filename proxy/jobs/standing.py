"""How a job stands at one moment: a value, which may be told to another process."""

from typing import NamedTuple

import msgspec

from contract.jobs import JobStage
from proxy.jobs.job import Job


class Standing(msgspec.Struct, frozen=True):
    """Of a job that is not over.

    percent: of all steps; step, steps: of the stage, 0 before the first
    position: jobs of the model before it, and one; 0 once it is its turn
    poll_after: milliseconds after which asking again is worth it
    waits_for: in words; None while an engine is at work
    """

    stage: JobStage
    step: int
    steps: int
    percent: int
    position: int
    poll_after: int
    waits_for: str | None


class Told(NamedTuple):
    """A job, and how it stands: None once it is over."""

    job: Job
    standing: Standing | None
