"""Pictures of slow models as jobs: a request for pictures that says `background: true` is handed in, and fetched later.

`background` as a word is OpenAI's, and says what is behind what the picture shows.
"""

import time
from typing import Any

import msgspec
from pydantic import ValidationError

from contract.errors import DO_NOT_RETRY, ApiError
from contract.images import GenerationRequest
from proxy.access.admission import NOTHING, key_of, owner_of
from proxy.course import Course
from proxy.endpoints._jobs import JobTeller
from proxy.gateway.asgi import MODEL, App, Message, Receive, Scope, Send, headers_of
from proxy.gateway.body import read_body
from proxy.gateway.headers import is_json
from proxy.gateway.peek import peek
from proxy.gateway.tally import Tally
from proxy.jobs.job import IMAGE, Job, new_id
from proxy.jobs.standing import Told
from proxy.services import Services

PATH = "/v1/images/generations"
OURS = frozenset({"background", "stream", "progress", "partial_images", "response_format", "model"})


class _Said(msgspec.Struct, gc=False):
    background: msgspec.Raw = msgspec.Raw()


_SAID = msgspec.json.Decoder(_Said)


class OrLater:
    """POST /v1/images/generations: at once by `now`, or as a job. Raises ApiError."""

    def __init__(self, now: App, services: Services) -> None:
        self._now = now
        self._services = services
        self._teller = JobTeller(services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_json(headers_of(scope).get(b"content-type")):
            await self._now(scope, receive, send)  # which refuses it
            return
        body = await read_body(scope, receive, self._services.body_size)
        if not _asks_for_a_job(body):
            await self._now(scope, _again(body), send)
            return
        peek(body)
        await self._teller.one(scope, send, await self._create(scope, msgspec.json.decode(body, type=dict[str, Any])))

    async def _create(self, scope: Scope, document: dict[str, Any]) -> Told:
        services, owner = self._services, owner_of(scope)
        request = _checked({name: value for name, value in document.items() if name not in OURS and value is not None})
        directory = services.feed.directory or await services.feed.get()
        model = scope[MODEL] = directory.choose(PATH, document.get("model"))
        ticket = services.access.admit(scope, model, lambda: NOTHING)
        with Course(PATH, model, ticket, Tally(), services.meter):
            size = request.get("size") or directory.catalogue.models[model].defaults.get("size", "auto")
            what = (new_id(IMAGE), IMAGE, owner, model, int(time.time()), request)
            return await services.jobs.create(Job(*what, key=key_of(scope), size=str(size)))


def _asks_for_a_job(body: bytes) -> bool:
    """Whether `background` is the truth, and no word. What is no JSON is for the others to refuse."""
    if b'"background"' not in body:
        return False
    try:
        return bytes(_SAID.decode(body).background) == b"true"
    except msgspec.DecodeError:
        return False


def _checked(request: dict[str, Any]) -> dict[str, Any]:
    """Known fields as the contract has them; numbers that are not known are the engine's to judge."""
    known = {name: value for name, value in request.items() if name in GenerationRequest.model_fields}
    for name, value in request.items():
        if name not in known and (not isinstance(value, int | float) or isinstance(value, bool)):
            message = f"There is no parameter '{name[:64]}' here."
            raise ApiError(400, "unknown_parameter", message, param=name[:64], headers=DO_NOT_RETRY)
    try:
        GenerationRequest.model_validate(known)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        message = f"'{where}' is not right: {first['msg']}."
        raise ApiError(400, "invalid_value", message, param=where, headers=DO_NOT_RETRY) from error
    return request


def _again(body: bytes) -> Receive:
    """A body that was read -> what gives it to the next who reads."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
