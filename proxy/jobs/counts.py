"""What jobs went through, counted for `/metrics`. Models are the catalogue's, so the labels are bounded."""

import time
from collections import Counter
from collections.abc import Iterable

from contract.jobs import JobStatus
from contract.prometheus import Exposition, Histogram
from proxy.jobs.job import PREFIXES, Job

# Seconds: a picture takes some, a clip minutes, a queue hours.
WAITED = (0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
RAN = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
DELETED = "deleted"


class JobCounts:
    """Whoever runs the jobs counts them."""

    def __init__(self) -> None:
        self._ended: Counter[tuple[str, str, str]] = Counter()
        self._waited: dict[str, Histogram] = {}
        self._ran: dict[str, Histogram] = {}

    def begun(self, job: Job) -> None:
        """An engine has begun a job, for the first time."""
        seconds = max(0.0, time.time() - job.created)
        self._waited.setdefault(job.model, Histogram(WAITED)).observe(seconds)

    def ran(self, job: Job, seconds: float) -> None:
        """Engines were at work on a job for so long, however that ended."""
        self._ran.setdefault(job.model, Histogram(RAN)).observe(seconds)

    def ended(self, job: Job, state: str) -> None:
        """`state`: completed, failed or DELETED before it was over."""
        self._ended[job.kind, job.model, state] += 1

    def write(self, out: Exposition, jobs: Iterable[Job], waiting: Iterable[tuple[str, int]]) -> None:
        """`jobs` are those that are not over, `waiting` how many of each model wait for their turn."""
        now = Counter((job.kind, job.status.value) for job in jobs)
        states = (JobStatus.QUEUED.value, JobStatus.IN_PROGRESS.value)
        out.gauge(
            "roundhouse_jobs",
            "Jobs that are not over.",
            (({"kind": kind, "state": state}, now[kind, state]) for kind in PREFIXES for state in states),
        )
        out.gauge(
            "roundhouse_jobs_waiting",
            "Jobs that wait for their turn at their model.",
            (({"model": model}, count) for model, count in waiting),
        )
        out.counter(
            "roundhouse_jobs_ended_total",
            "Jobs that are over, and those that were deleted before.",
            (({"kind": kind, "model": model, "state": state}, n) for (kind, model, state), n in self._ended.items()),
        )
        out.histogram(
            "roundhouse_job_waited_seconds",
            "From a job's arrival until an engine began it.",
            (({"model": model}, waited) for model, waited in self._waited.items()),
        )
        out.histogram(
            "roundhouse_job_ran_seconds",
            "Engines at work on a job, each run by itself.",
            (({"model": model}, ran) for model, ran in self._ran.items()),
        )
