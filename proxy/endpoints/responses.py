"""Responses: made as all answers are, and asked for again at the engine that made them, while it is remembered.

One that is made in the background is followed to its end by `jobs/unfinished.py`: its key pays for it then.

vLLM keeps responses only where its entry says `"env": {"VLLM_ENABLE_RESPONSES_API_STORE": "1"}`, and in its memory: an
engine that was stopped has forgotten them, and is not started to say so.
"""

import re
from collections.abc import Awaitable
from functools import partial
from time import monotonic

import msgspec

from contract.errors import ApiError
from contract.states import ModelState
from contract.usage import Usage
from proxy.access.admission import NOTHING, TICKET, owner_of
from proxy.course import Course
from proxy.endpoints._generation import Prepare, generation_route
from proxy.endpoints._media import media_step
from proxy.endpoints._query import query_of, text_in, truth_in, truth_parameter
from proxy.endpoints._remembered import Learner, Made, Memory, ResponseMemory
from proxy.endpoints._shared_responses import SharedResponseMemory
from proxy.gateway.asgi import MODEL, REQUEST_ID, App, Receive, Scope, Send
from proxy.gateway.body import read_body
from proxy.gateway.forward import Forwarding
from proxy.gateway.tally import Tally
from proxy.jobs.unfinished import Begun
from proxy.openapi.operation import ANYTHING, EVENTS, JSON, OBJECT, Operation, Parameter
from proxy.openapi.rows import ENGINE_ERRORS, json_row
from proxy.router import REST, Route
from proxy.services import Services
from proxy.sharing.share import Share

PATH = "/v1/responses"
REST_PATH = "/v1/responses/*"
CANCEL = "cancel"
CANCEL_SIZE = 64 * 2**10

# An engine in one of these is the one that made the response.
ALIVE = frozenset({ModelState.READY, ModelState.DRAINING, ModelState.SLEEPING, ModelState.ASLEEP, ModelState.WAKING})
_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)

NUMBER = {"type": "string", "pattern": f"^{_NUMBER.pattern}$"}
RESPONSE_ID = Parameter("response_id", "path", "a response's id", {"type": "string", "pattern": f"^{_ID.pattern}$"})
OPERATIONS = (
    json_row(PATH, "A response."),
    Operation(
        "GET",
        "/v1/responses/{response_id}",
        "A response that is remembered.",
        {200: {JSON: OBJECT, EVENTS: ANYTHING}},
        errors=ENGINE_ERRORS | {"405"},
        parameters=(
            RESPONSE_ID,
            truth_parameter("stream", "whether as events"),
            Parameter("starting_after", "query", "events after that number", NUMBER),
        ),
        route=REST_PATH,
    ),
    Operation(
        "POST",
        "/v1/responses/{response_id}/cancel",
        "Ends a response that is being made.",
        {200: {JSON: OBJECT}},
        errors=ENGINE_ERRORS | {"405", "413"},
        parameters=(RESPONSE_ID,),
        route=REST_PATH,
    ),
)


class _Previous(msgspec.Struct, gc=False):
    previous_response_id: msgspec.Raw = msgspec.Raw()


_PREVIOUS = msgspec.json.Decoder(_Previous)


class Making:
    """POST /v1/responses."""

    def __init__(self, app: App, memory: Memory, services: Services) -> None:
        self._app = app
        self._memory = memory
        self._unfinished = services.unfinished
        self._meter = services.meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        learner = Learner(scope, send, self._memory, owner_of(scope), partial(self._begun, scope))
        await self._app(scope, receive, learner)

    def _begun(self, scope: Scope, response_id: str, is_streamed: bool) -> None:
        """It goes on without its caller: so does its request, for the limits of its key."""
        if not _ID.fullmatch(response_id):
            return
        model, ticket = scope[MODEL], scope.get(TICKET)
        rest = ticket.outlive() if ticket is not None else None
        # What a stream tells is counted as it passes.
        told = _heard if is_streamed else partial(self._meter.used, PATH, model)
        self._unfinished.follow(Begun(model, f"{PATH}/{response_id}", scope[REQUEST_ID], rest, told))


def _heard(used: Usage) -> None:
    """There is nothing to do."""


class Remembered:
    """GET /v1/responses/{id} and POST /v1/responses/{id}/cancel. Raises ApiError."""

    def __init__(self, services: Services, memory: Memory) -> None:
        self._services = services
        self._memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response_id, is_cancel = _split(scope)
        if is_cancel:
            await read_body(scope, receive, CANCEL_SIZE)
        made = await self._find(response_id, owner_of(scope))
        model = scope[MODEL] = made.model
        target, streams = (f"{PATH}/{response_id}/{CANCEL}", False) if is_cancel else _retrieval(response_id, scope)
        if streams and not made.keeps_events:
            raise _without_events(response_id)
        ticket = self._services.access.admit(scope, model, lambda: NOTHING)
        line = f"{'POST' if is_cancel else 'GET'} {target}".encode()
        request = Forwarding(model, line, b"", scope[REQUEST_ID], Tally())
        forwarder = self._services.forwarder
        # Another tally, which stays empty: what the engine tells here was counted when the response was made.
        with Course(REST_PATH, model, ticket, Tally(), self._services.meter):
            await (forwarder.stream(request, send) if streams else forwarder.plain(request, send))

    async def _find(self, response_id: str, owner: str) -> Made:
        made = self._memory.find(response_id, owner)
        directory = self._services.feed.directory or await self._services.feed.get()
        status = directory.statuses.get(made.model) if made is not None else None
        if made is None or status is None or status.state not in ALIVE:
            raise _unknown(response_id, "response_id")
        return made


def _split(scope: Scope) -> tuple[str, bool]:
    """The path's rest -> the response's id, and whether it is to be cancelled."""
    response_id, slash, _ = scope[REST].partition("/")
    return response_id, bool(slash)


def _retrieval(response_id: str, scope: Scope) -> tuple[str, bool]:
    """The engine's path, with what is meant of the caller's query and nothing else; and whether events are wanted."""
    query = query_of(scope)
    after = text_in(query, "starting_after")
    if after is not None and not _NUMBER.fullmatch(after):
        raise ApiError(400, "invalid_value", "'starting_after' is the number of an event.", param="starting_after")
    if not truth_in(query, "stream"):
        return f"{PATH}/{response_id}", False
    return f"{PATH}/{response_id}?stream=true" + (f"&starting_after={int(after)}" if after else ""), True


def _unknown(response_id: str, param: str) -> ApiError:
    message = f"The response '{response_id}' is not remembered here; it may be too old, or its engine was stopped."
    return ApiError(404, "response_not_found", message, param=param)


def _without_events(response_id: str) -> ApiError:
    message = (
        f"The response '{response_id}' cannot be streamed: only one that was made with both 'background' and 'stream' "
        "keeps its events. Ask for it without 'stream'."
    )
    return ApiError(400, "response_not_streamable", message, param="stream")


def _own_step(memory: Memory, media: Prepare) -> Prepare:
    """A response may only go on from one of the same owner's. Raises ApiError (404)."""

    def prepare(scope: Scope, body: bytes) -> Awaitable[bytes] | None:
        raw = bytes(_PREVIOUS.decode(body).previous_response_id)
        previous = msgspec.json.decode(raw) if raw else None
        if previous is not None and memory.find(str(previous), owner_of(scope)) is None:
            raise _unknown(str(previous)[:128], "previous_response_id")
        return media(scope, body)

    return prepare


def _memory_of(share: Share | None) -> Memory:
    return ResponseMemory() if share is None else SharedResponseMemory(share.memory.responses, monotonic)


def routes(services: Services) -> tuple[Route, ...]:
    memory = _memory_of(services.share)
    made = generation_route(PATH, services, _own_step(memory, media_step(services.media)))
    remembered = Remembered(services, memory)
    return (
        Route(made.method, made.path, Making(made.app, memory, services)),
        Route("GET", REST_PATH, remembered, rest=_ID.pattern),
        Route("POST", REST_PATH, remembered, rest=f"{_ID.pattern}/{CANCEL}"),
    )
