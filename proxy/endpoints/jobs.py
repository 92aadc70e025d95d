"""Jobs of every kind: looked after in one place, and called off."""

from contract.jobs import VideoDeleted
from proxy.endpoints._jobs import JobTeller, answer, find_job, nothing_at
from proxy.gateway.asgi import Receive, Scope, Send
from proxy.jobs.job import VIDEO
from proxy.openapi.jobs import JOB_OPERATIONS
from proxy.router import Route
from proxy.services import Services

OPERATIONS = JOB_OPERATIONS

PATH = "/v1/jobs"


class AllJobs:
    """`/v1/jobs`, and `/v1/jobs/{id}`. Raises ApiError."""

    def __init__(self, services: Services) -> None:
        self._jobs = services.jobs
        self._teller = JobTeller(services)

    async def list(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._teller.page(scope, send, None)

    async def get(self, scope: Scope, receive: Receive, send: Send) -> None:
        told, verb = await find_job(self._jobs, scope, None)
        if verb:
            raise nothing_at(scope)
        await self._teller.one(scope, send, told)

    async def delete(self, scope: Scope, receive: Receive, send: Send) -> None:
        (job, _), verb = await find_job(self._jobs, scope, None)
        if verb:
            raise nothing_at(scope)
        await self._jobs.remove(job.owner, job.id)
        kind = "video.deleted" if job.kind == VIDEO else "image.job.deleted"
        await answer(send, VideoDeleted(id=job.id, object=kind))


def routes(services: Services) -> tuple[Route, ...]:
    jobs = AllJobs(services)
    return (
        Route("GET", PATH, jobs.list),
        Route("GET", f"{PATH}/*", jobs.get, rest="[^/]+"),
        Route("DELETE", f"{PATH}/*", jobs.delete, rest="[^/]+"),
    )
