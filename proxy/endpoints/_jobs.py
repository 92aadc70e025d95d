"""Jobs as they are told, one or many, and found by their path."""

import re
from functools import partial

from pydantic import BaseModel

from contract.errors import ApiError
from proxy.access.admission import owner_of
from proxy.endpoints._artifact_view import Addresses
from proxy.endpoints._parameters import Parameters, wrong_value
from proxy.gateway.asgi import RawHeaders, Scope, Send, respond
from proxy.jobs.database import Query
from proxy.jobs.job import ID_PATTERN
from proxy.jobs.reception import Reception
from proxy.jobs.standing import Told
from proxy.jobs.wire import header_of, page_of, view_of
from proxy.openapi.content import names_of
from proxy.openapi.jobs import LISTING, MOST_PER_PAGE, PAGE
from proxy.router import REST
from proxy.services import Services

JSON = b"application/json"
POLL = b"openai-poll-after-ms"
KNOWN = names_of(LISTING)

_ID = re.compile(ID_PATTERN)


class JobTeller:
    """Answers with a job, or with a page of them."""

    def __init__(self, services: Services) -> None:
        self._jobs = services.jobs
        self._addresses = Addresses(services.artifacts)

    async def one(self, scope: Scope, send: Send, told: Told) -> None:
        after = header_of(told.standing)
        extra: RawHeaders = [(POLL, after)] if after is not None else []
        await answer(send, view_of(told, partial(self._addresses.url, scope)), extra)

    async def page(self, scope: Scope, send: Send, kind: str | None) -> None:
        """Raises ApiError (400)."""
        query = _page_asked(scope, kind)
        found = await self._jobs.page(owner_of(scope), query._replace(limit=query.limit + 1))
        address = partial(self._addresses.url, scope)
        views = [view_of(told, address) for told in found]
        await answer(send, page_of(views, query.limit))


async def answer(send: Send, document: BaseModel, extra: RawHeaders | None = None) -> None:
    """A JSON answer that nobody is to keep."""
    headers: RawHeaders = [(b"cache-control", b"no-store"), *(extra or ())]
    await respond(send, 200, JSON, document.model_dump_json().encode(), headers)


async def find_job(jobs: Reception, scope: Scope, kind: str | None) -> tuple[Told, str]:
    """The path's rest -> the caller's job, and what is asked of it. Raises ApiError (404)."""
    job_id, _, verb = scope[REST].partition("/")
    if not _ID.fullmatch(job_id):
        raise nothing_at(scope)
    told = await jobs.find(owner_of(scope), job_id)
    if kind is not None and told.job.kind != kind:
        raise nothing_at(scope)
    return told, verb


def nothing_at(scope: Scope) -> ApiError:
    return ApiError(404, "not_found", f"There is nothing at {scope['path'][:200]}.")


def _page_asked(scope: Scope, kind: str | None) -> Query:
    """A listing's address. Raises ApiError (400)."""
    given = Parameters(scope, KNOWN)
    after = given.text("after")
    if after is not None and not _ID.fullmatch(after):
        raise wrong_value("after", "is the id of the last one that you saw")
    return Query(kind, after, given.whole("limit", PAGE, MOST_PER_PAGE), given.is_oldest_first())
