"""The jobs of several workers: one of them runs all jobs, and every worker asks that one.

Their parent names it, and where it dies the next; what was asked of the dead one is asked once more. So each question
may come twice: a job that was handed in before is not handed in again, and one that is gone has been removed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from contract.errors import ApiError
from contract.prometheus import Exposition
from proxy.jobs.database import Query
from proxy.jobs.desk import Jobs
from proxy.jobs.job import Job
from proxy.jobs.questions import (
    Answer,
    Create,
    Find,
    Page,
    Question,
    Remove,
    RequireRoom,
    Variant,
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
    error_of,
    trouble_of,
)
from proxy.jobs.standing import Told
from proxy.sharing.asking import JOBS, JOBS_AGAIN
from proxy.sharing.siblings import Siblings

OPENING_SECONDS = 10.0  # for the file, which another worker may still be closing


class SharedJobs:
    """A Reception. `led` is called when this worker begins to run the jobs."""

    def __init__(self, jobs: Jobs, siblings: Siblings, led: Callable[[], None]) -> None:
        self._jobs = jobs
        self._siblings = siblings
        self._led = led
        self._starting: asyncio.Task[None] | None = None
        self._is_closing = False

    def __repr__(self) -> str:
        return f"<SharedJobs, {repr(self._jobs) if self.is_leading else 'run elsewhere'}>"

    @property
    def is_leading(self) -> bool:
        """Whether this worker is the one that runs jobs."""
        return self._starting is not None

    async def start(self) -> None:
        """Nothing is done before the parent says who runs the jobs."""

    def lead(self) -> None:
        """The parent says that it is this worker."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._jobs.start(), name="jobs of before")
            self._led()

    @property
    def answers(self) -> Mapping[str, Callable[[bytes], Awaitable[bytes]]]:
        """What other workers ask."""
        return {JOBS: self._answer, JOBS_AGAIN: self._answer_again}

    def write_metrics(self, out: Exposition) -> None:
        """For `/metrics`: whoever runs the jobs has something to tell."""
        self._jobs.write_metrics(out)

    async def close(self) -> None:
        self._is_closing = True
        if self._starting is not None:
            await self._starting
        await self._jobs.close()

    async def _answer(self, asked: bytes, again: bool = False) -> bytes:
        """Another worker's question -> the answer; b"" for the next who runs the jobs to answer."""
        if self._is_closing:
            return b""
        try:
            return encode_answer(await self._answered(decode_question(asked), again))
        except ApiError as error:
            return encode_answer(Answer(trouble=trouble_of(error)))

    async def _answer_again(self, asked: bytes) -> bytes:
        """It may have been answered by one that has died since."""
        return await self._answer(asked, again=True)

    async def require_room(self, owner: str, model: str) -> None:
        await self._ask(RequireRoom(owner, model))

    async def create(self, job: Job) -> Told:
        return (await self._ask(Create(job))).jobs[0]

    async def find(self, owner: str, job_id: str) -> Told:
        return (await self._ask(Find(owner, job_id))).jobs[0]

    async def page(self, owner: str, query: Query) -> list[Told]:
        return list((await self._ask(Page(owner, query))).jobs)

    async def variant(self, job_id: str, name: str) -> bytes | None:
        return (await self._ask(Variant(job_id, name))).content

    async def remove(self, owner: str, job_id: str) -> None:
        await self._ask(Remove(owner, job_id))

    async def _ask(self, question: Question) -> Answer:
        if self.is_leading:
            return await self._answered(question, again=False)
        try:
            told = await self._siblings.ask_leader(JOBS, encode_question(question))
        except TimeoutError as error:
            raise _unavailable() from error
        answer = decode_answer(told) if told else Answer(trouble=trouble_of(_unavailable()))
        if answer.trouble is not None:
            raise error_of(answer.trouble)
        return answer

    async def _answered(self, question: Question, again: bool) -> Answer:
        """Here. Raises ApiError."""
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                await self._jobs.opened()
        except TimeoutError as error:
            raise _unavailable() from error
        match question:
            case RequireRoom(owner, model):
                await self._jobs.require_room(owner, model)
            case Create(job):
                return Answer((await self._create(job, again),))
            case Find(owner, job_id):
                return Answer((await self._jobs.find(owner, job_id),))
            case Page(owner, query):
                return Answer(tuple(await self._jobs.page(owner, query)))
            case Variant(job_id, name):
                return Answer(content=await self._jobs.variant(job_id, name))
            case Remove(owner, job_id):
                await self._remove(owner, job_id, again)
        return Answer()

    async def _create(self, job: Job, again: bool) -> Told:
        if again:
            try:
                return await self._jobs.find(job.owner, job.id)
            except ApiError as error:
                if error.status != 404:
                    raise
        return await self._jobs.create(job)

    async def _remove(self, owner: str, job_id: str, again: bool) -> None:
        try:
            await self._jobs.remove(owner, job_id)
        except ApiError as error:
            if error.status != 404 or not again:
                raise


def _unavailable() -> ApiError:
    message = "The worker that runs the jobs cannot be reached at the moment; ask again."
    return ApiError(503, "jobs_unavailable", message, headers={"retry-after": "2"})
