"""The models, loaded or not, from memory: OpenAI's four fields, and ours beside them."""

import msgspec

from contract.capabilities import endpoints_of
from contract.errors import ApiError
from contract.states import ModelStatus
from proxy.access.admission import may_see
from proxy.catalogue_feed import CatalogueFeed
from proxy.gateway.asgi import Receive, Scope, Send, respond_json
from proxy.gateway.directory import Directory
from proxy.router import REST, Route
from proxy.services import Services

OWNER = "roundhouse"


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
