"""One job from its turn to its end: begun, taken up again where that helps, and written down however it ends.

not taken by any engine yet, for a reason that passes    it waits, for as long as patience lasts
begun, and cut short by a death or by making room        it runs once more, and says so
all else                                                 it has failed, with the reason
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from contract.errors import ApiError
from contract.jobs import JobStage, JobStatus
from proxy.gateway.upstream_errors import AnswerLost
from proxy.jobs.counts import JobCounts
from proxy.jobs.job import Failure
from proxy.jobs.limits import JobLimits
from proxy.jobs.turn import Turn
from proxy.jobs.work import Result, Work

RUNS_MOST = 2
LONGEST_PAUSE = 30.0

_logger = logging.getLogger("roundhouse.proxy.jobs")


class Runner:
    """Of the limits, `patience` and `pause` are its own."""

    def __init__(self, works: Mapping[str, Work], limits: JobLimits, counts: JobCounts) -> None:
        self._works = works
        self._limits = limits
        self._counts = counts

    async def take_up(self, turn: Turn) -> bool:
        """A job that a proxy before this one left -> whether it is to run. Raises ApiError."""
        if turn.job.status is JobStatus.QUEUED:
            return True
        if turn.job.runs < RUNS_MOST:
            await turn.change(status=JobStatus.QUEUED)
            return True
        message = "The job was interrupted twice by a stop of the proxy. Send it again."
        await turn.change(**self._failed(ApiError(503, "interrupted", message)))
        self._counts.ended(turn.job, JobStatus.FAILED)
        return False

    async def run(self, turn: Turn) -> None:
        """To its end, which is on the disk when this returns."""
        try:
            result = await self._insist(turn)
        except ApiError as error:
            await self.fail(turn, error)
        except Exception:
            await self.fail(turn, ApiError(500, "server_error", "The proxy failed at this job. Its log says why."))
            raise
        else:
            await self._complete(turn, result)

    async def fail(self, turn: Turn, error: ApiError) -> None:
        """It has failed. That is told at once: a full disk may be the reason, and takes no note of it either.

        A proxy that is killed before it could write that down lets the next one try the job again.
        """
        changes, is_written = self._failed(error), True
        try:
            await turn.change(**changes)
        except ApiError:
            turn.show(**changes)
            is_written = False
        self._counts.ended(turn.job, JobStatus.FAILED)
        turn.tell("job-failed", error={"code": error.code, "message": error.message})
        if not is_written:
            await self._write(turn, {}, **changes)

    async def _insist(self, turn: Turn) -> Result:
        loop = asyncio.get_running_loop()
        since, pause = loop.time(), self._limits.pause
        while True:
            try:
                return await self._works[turn.job.kind].make(turn)
            except ApiError as error:
                if _was_cut_short(error) and turn.job.runs < RUNS_MOST:
                    await self._begin_again(turn)
                elif not passes(error) or loop.time() - since > self._limits.patience:
                    raise
            turn.enter(JobStage.WAITING, turn.job.model)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _begin_again(self, turn: Turn) -> None:
        turn.rest()
        await turn.change(status=JobStatus.QUEUED)
        turn.tell("artifact-pending", position=0, restarted=True)

    async def _complete(self, turn: Turn, result: Result) -> None:
        now, outcome = int(time.time()), result.outcome
        end = {"status": JobStatus.COMPLETED, "completed": now, "expires": self._limits.expiry(now)}
        await self._write(turn, result.variants, outcome=outcome, **end)
        self._counts.ended(turn.job, JobStatus.COMPLETED)
        turn.tell("job-completed", artifacts=outcome.artifacts, progress=100)

    async def _write(self, turn: Turn, variants: Mapping[str, bytes], **changes: object) -> None:
        """How it ended. While the disk takes nothing, it is tried again."""
        pause = self._limits.pause
        while True:
            try:
                await turn.change(variants, **changes)
                return
            except ApiError as error:
                _logger.error("the end of job %s cannot be written down yet: %s", turn.job.id, error.message)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _failed(self, error: ApiError) -> dict[str, Any]:
        """What is new of a job that has failed."""
        now = int(time.time())
        failure = Failure(error.code or error.kind, error.message, error.kind, error.param, error.origin.value)
        end = {"status": JobStatus.FAILED, "completed": now, "expires": self._limits.expiry(now)}
        return {**end, "failure": failure}


def _was_cut_short(error: ApiError) -> bool:
    """Whether an engine was at work, and might have finished it."""
    return error.code == "drained" or isinstance(error.__cause__, AnswerLost)


def passes(error: ApiError) -> bool:
    """Whether no engine took it, and one may soon."""
    if error.headers.get("x-should-retry") == "false" or _was_cut_short(error):
        return False
    return error.status in {429, 503} or (error.status == 502 and "retry-after" in error.headers)
