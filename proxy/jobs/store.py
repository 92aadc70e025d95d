"""The jobs on the disk as the event loop sees them: one thread does all that may block."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TypeVar

import msgspec

from contract.errors import ApiError
from proxy.jobs.database import Query
from proxy.jobs.job import Job
from proxy.jobs.kept import JobsElsewhere, KeptJobs
from proxy.postgres.errors import DatabaseAbsent, DatabaseFull

T = TypeVar("T")

STORE_ERRORS = (sqlite3.Error, OSError, msgspec.DecodeError)
NO_VARIANTS: Mapping[str, bytes] = MappingProxyType({})

_logger = logging.getLogger("roundhouse.proxy.jobs")


class JobStore:
    """Every method raises ApiError: 503 where the file cannot be used, 507 where the disk is full."""

    def __init__(self, database: KeptJobs) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobs")

    async def add(self, job: Job) -> None:
        """On the disk when this returns."""
        await self._do(lambda: self._database.add(job))

    async def update(self, job: Job, variants: Mapping[str, bytes] = NO_VARIANTS) -> bool:
        """Whether the job is there still."""
        return await self._do(lambda: self._database.update(job, variants))

    async def remove(self, job_id: str) -> None:
        await self._do(lambda: self._database.remove(job_id))

    async def find(self, owner: str, job_id: str) -> Job | None:
        return await self._do(lambda: self._database.find(owner, job_id))

    async def page(self, owner: str, query: Query) -> list[Job]:
        return await self._do(lambda: self._database.page(owner, query))

    async def variant(self, job_id: str, name: str) -> bytes | None:
        return await self._do(lambda: self._database.variant(job_id, name))

    async def is_lost(self) -> bool:
        """Whether another proxy has had the jobs since this one did; False where that cannot be known now.

        All that is known here of jobs that are not over is wrong then, and `not_over` is asked anew.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._database.is_lost)
        except STORE_ERRORS:
            return False  # whoever has something to do with them is told

    async def not_over(self) -> list[Job]:
        return await self._do(self._database.not_over)

    async def oldest(self, most: int) -> list[Job]:
        """Those that are over, oldest first, at most so many."""
        return await self._do(lambda: self._database.oldest(most))

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown()

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except STORE_ERRORS as error:
            if not isinstance(error, JobsElsewhere):  # who waits for them asks again and again
                _logger.error("where the jobs are kept: %s", error)
            raise _unusable(error) from error


def _unusable(error: Exception) -> ApiError:
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        message = "The disk is full: the job cannot be kept. Make room, then send it again."
        return ApiError(507, "storage_full", message, headers={"retry-after": "30"})
    if isinstance(error, DatabaseFull):
        return ApiError(507, "storage_full", error.WORDS, headers={"retry-after": "30"})
    if isinstance(error, DatabaseAbsent):
        return ApiError(503, "jobs_unavailable", error.WORDS, headers={"retry-after": "2"})
    message = "The file of the jobs cannot be used at the moment; the proxy's log says why."
    return ApiError(503, "jobs_unavailable", message, headers={"retry-after": "2"})
