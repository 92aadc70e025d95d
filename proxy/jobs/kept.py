"""Where jobs are kept, whatever keeps them. Every call blocks; its errors are the store's STORE_ERRORS."""

from collections.abc import Mapping
from typing import Protocol

from proxy.jobs.database import Query
from proxy.jobs.job import Job
from proxy.postgres.errors import DatabaseAbsent


class JobsElsewhere(DatabaseAbsent):
    """Another proxy has the jobs."""

    WORDS = "Another proxy runs the jobs of this database: hand in, and call off, there."


class KeptJobs(Protocol):
    """Belongs to one thread at a time. One proxy alone changes jobs; while another has them it is refused."""

    def close(self) -> None: ...

    def is_lost(self) -> bool:
        """Whether another proxy has had the jobs since this one did: what this one knows of them is not so any more.

        It is looked for, and told until `not_over` was asked once more.
        """

    def add(self, job: Job) -> None: ...

    def update(self, job: Job, variants: Mapping[str, bytes]) -> bool:
        """The job as it is now, and the pictures that belong to it -> whether it is there still."""

    def remove(self, job_id: str) -> None: ...

    def find(self, owner: str, job_id: str) -> Job | None:
        """An owner's job. Another's is as if there were none."""

    def variant(self, job_id: str, name: str) -> bytes | None: ...

    def page(self, owner: str, query: Query) -> list[Job]:
        """At most `query.limit` jobs, newest first unless it says otherwise."""

    def not_over(self) -> list[Job]:
        """The jobs that wait or were begun, oldest first: for who is to go on with them."""

    def oldest(self, most: int) -> list[Job]:
        """The jobs that are over, oldest first, at most so many."""
