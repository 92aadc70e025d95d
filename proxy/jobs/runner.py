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
from proxy.jobs.job import Failure
from proxy.jobs.turn import Turn
from proxy.jobs.work import Result, Work

RUNS_MOST = 2
LONGEST_PAUSE = 30.0

_logger = logging.getLogger("roundhouse.proxy.jobs")


class Runner:
    """`patience`: seconds that a job waits for its models in all; `pause`: before the second attempt."""

    def __init__(self, works: Mapping[str, Work], patience: float, pause: float) -> None:
        self._works = works
        self._pause = pause
        self._patience = patience

    async def take_up(self, turn: Turn) -> bool:
        """A job that a proxy before this one left -> whether it is to run. Raises ApiError."""
        if turn.job.status is JobStatus.QUEUED:
            return True
        if turn.job.runs < RUNS_MOST:
            await turn.change(status=JobStatus.QUEUED)
            return True
        message = "The job was interrupted twice by a stop of the proxy. Send it again."
        await turn.change(**_failed(ApiError(503, "interrupted", message)))
        return False

    async def run(self, turn: Turn) -> None:
        """To its end, which is on the disk when this returns."""
        try:
            result = await self._insist(turn)
        except ApiError as error:
            await self._fail(turn, error)
        except Exception:
            await self._fail(turn, ApiError(500, "server_error", "The proxy failed at this job. Its log says why."))
            raise
        else:
            await self._complete(turn, result)

    async def _insist(self, turn: Turn) -> Result:
        loop = asyncio.get_running_loop()
        since, pause = loop.time(), self._pause
        while True:
            try:
                return await self._works[turn.job.kind].make(turn)
            except ApiError as error:
                if _was_cut_short(error) and turn.job.runs < RUNS_MOST:
                    await self._begin_again(turn)
                elif not _passes(error) or loop.time() - since > self._patience:
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
        await self._write(turn, result.variants, status=JobStatus.COMPLETED, completed=now, outcome=outcome)
        turn.tell("job-completed", artifacts=outcome.artifacts, progress=100)

    async def _fail(self, turn: Turn, error: ApiError) -> None:
        await self._write(turn, {}, **_failed(error))
        turn.tell("job-failed", error={"code": error.code, "message": error.message})

    async def _write(self, turn: Turn, variants: Mapping[str, bytes], **changes: object) -> None:
        """How it ended. While the disk takes nothing, it is not over."""
        pause = self._pause
        while True:
            try:
                await turn.change(variants, **changes)
                return
            except ApiError as error:
                _logger.error("the end of job %s cannot be written down yet: %s", turn.job.id, error.message)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _failed(error: ApiError) -> dict[str, Any]:
    """What is new of a job that has failed."""
    failure = Failure(error.code or error.kind, error.message, error.kind, error.param, error.origin.value)
    return {"status": JobStatus.FAILED, "completed": int(time.time()), "failure": failure}


def _was_cut_short(error: ApiError) -> bool:
    """Whether an engine was at work, and might have finished it."""
    return error.code == "drained" or isinstance(error.__cause__, AnswerLost)


def _passes(error: ApiError) -> bool:
    """Whether no engine took it, and one may soon."""
    if error.headers.get("x-should-retry") == "false" or _was_cut_short(error):
        return False
    return error.status == 503 or (error.status == 502 and "retry-after" in error.headers)
