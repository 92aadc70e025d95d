"""`/v1/artifacts/preferences`: whether an owner's artifacts keep the words that they were made from."""

from pydantic import ValidationError

from contract.artifacts import ArtifactPreferences
from contract.errors import ApiError
from proxy.access.admission import owner_of
from proxy.artifacts.preferences import Preferences
from proxy.artifacts.store import ArtifactStore
from proxy.endpoints._generation import require_json
from proxy.gateway.asgi import Receive, Scope, Send, headers_of, respond_json
from proxy.gateway.body import read_body
from proxy.openapi.operation import JSON, Operation
from proxy.router import Route
from proxy.services import Services

PATH = "/v1/artifacts/preferences"
BODY_SIZE = 64 * 2**10

OPERATIONS = (
    Operation("GET", PATH, "What the caller wants to be kept of requests.", {200: {JSON: ArtifactPreferences}}),
    Operation(
        "PUT",
        PATH,
        "What is to be kept of the requests that come from now on.",
        {200: {JSON: ArtifactPreferences}},
        errors=frozenset({"507"}),
        request={JSON: Preferences},
    ),
)


class OwnPreferences:
    """GET tells them, PUT sets them for what is made from then on. Raises ApiError (400, 413, 415)."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        owner = owner_of(scope)
        if scope["method"] == "PUT":
            require_json(headers_of(scope).get(b"content-type"))
            await self._store.prefer(owner, _wanted(await read_body(scope, receive, BODY_SIZE)))
        told = ArtifactPreferences(prompts=(await self._store.preferences(owner)).prompts)
        await respond_json(send, 200, told.model_dump_json().encode())


def _wanted(body: bytes) -> Preferences:
    try:
        return Preferences.model_validate_json(body)
    except ValidationError as error:
        message = 'Send {"prompts": true} or {"prompts": false}.'
        raise ApiError(400, "invalid_value", message, param="prompts") from error


def routes(services: Services) -> tuple[Route, ...]:
    own = OwnPreferences(services.artifacts)
    return Route("GET", PATH, own), Route("PUT", PATH, own)
