"""Where jobs are handed in, asked for and called off, as endpoints see it."""

from typing import Protocol

from proxy.jobs.database import Query
from proxy.jobs.job import Job
from proxy.jobs.standing import Told


class Reception(Protocol):
    """Every method raises ApiError: 503 where the jobs cannot be had, 507 where the disk is full."""

    async def require_room(self, owner: str, model: str) -> None:
        """Raises ApiError (429, 503) where one more job cannot be taken."""

    async def create(self, job: Job) -> Told:
        """Hand it in; it is on the disk when this returns. A caller who leaves meanwhile has handed it in, too."""

    async def find(self, owner: str, job_id: str) -> Told:
        """An owner's job as it is now. Raises ApiError (404)."""

    async def page(self, owner: str, query: Query) -> list[Told]:
        """Some of an owner's jobs."""

    async def variant(self, job_id: str, name: str) -> bytes | None:
        """A picture that belongs to a job; None where there is none of that name."""

    async def remove(self, owner: str, job_id: str) -> None:
        """Call a job off, and remove what it made. Raises ApiError (404).

        An engine that is at work on it stops within a step.
        """
