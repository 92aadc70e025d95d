"""The models, loaded or not, from memory: OpenAI's four fields, and ours beside them."""

import msgspec

from contract.capabilities import ENDPOINT_TYPES, endpoints_of
from contract.catalogue import ModelType
from contract.errors import ApiError
from contract.states import ModelState, ModelStatus
from proxy.access.admission import may_see
from proxy.catalogue_feed import CatalogueFeed
from proxy.gateway.asgi import Receive, Scope, Send, respond_json
from proxy.gateway.directory import Directory
from proxy.openapi.operation import JSON, Operation, Schema, model_parameter
from proxy.router import REST, Route
from proxy.services import Services

OWNER = "roundhouse"
MODEL_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"const": OWNER},
        "type": {"type": "array", "items": {"enum": [kind.value for kind in ModelType]}},
        "endpoints": {"type": "array", "items": {"enum": list(ENDPOINT_TYPES)}},
        "aliases": {"type": "array", "items": {"type": "string"}},
        "state": {"enum": [state.value for state in ModelState]},
        "phase": {"type": ["string", "null"]},
        "reason": {"type": ["string", "null"]},
    },
    "required": ["id", "object", "created", "owned_by", "type", "endpoints", "aliases", "state", "phase", "reason"],
    "additionalProperties": False,
}
LIST_SCHEMA: Schema = {
    "type": "object",
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": MODEL_SCHEMA}},
    "required": ["object", "data"],
}
OPERATIONS = (
    Operation("GET", "/v1/models", "The models that the key may use, loaded or not.", {200: {JSON: LIST_SCHEMA}}),
    Operation(
        "GET",
        "/v1/models/{model}",
        "One model.",
        {200: {JSON: MODEL_SCHEMA}},
        parameters=(model_parameter(),),
        route="/v1/models/*",
    ),
)


class ModelListing:
    """`/v1/models`."""

    def __init__(self, feed: CatalogueFeed) -> None:
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        directory = await self._feed.get()
        models = [describe(directory, name) for name in directory.catalogue.models if may_see(scope, name)]
        await respond_json(send, 200, msgspec.json.encode({"object": "list", "data": models}))


class ModelDetail:
    """`/v1/models/{name or alias}`. Raises ApiError (404)."""

    def __init__(self, feed: CatalogueFeed) -> None:
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        directory = await self._feed.get()
        name = directory.find(scope[REST])
        if not may_see(scope, name):
            raise ApiError(404, "model_not_found", f"The model '{name}' is not within this key's scope.", param="model")
        await respond_json(send, 200, msgspec.json.encode(describe(directory, name)))


def describe(directory: Directory, name: str) -> dict[str, object]:
    """A model as `/v1/models` shows it."""
    entry = directory.catalogue.models[name]
    fields: dict[str, object] = {"id": name, "object": "model", "created": 0, "owned_by": OWNER}
    fields |= {"type": entry.type, "endpoints": endpoints_of(entry.type), "aliases": entry.aliases}
    status = directory.statuses.get(name)
    return fields | (_state(status) if status is not None else {"state": "stopped", "phase": None, "reason": None})


def _state(status: ModelStatus) -> dict[str, object]:
    return {"created": status.created, "state": status.state, "phase": status.phase, "reason": status.reason}


def routes(services: Services) -> tuple[Route, ...]:
    return (
        Route("GET", "/v1/models", ModelListing(services.feed)),
        Route("GET", "/v1/models/*", ModelDetail(services.feed)),
    )
