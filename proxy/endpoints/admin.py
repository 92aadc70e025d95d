"""The manager's verbs, relayed with its token: the page and the command line speak to the proxy alone."""

import re
from urllib.parse import quote

from contract.errors import ApiError
from contract.states import DeviceList, ModelList, ModelStatus
from proxy.catalogue_feed import CatalogueFeed
from proxy.endpoints._query import query_of, text_in, truth_in, truth_parameter
from proxy.gateway.asgi import Receive, Scope, Send
from proxy.gateway.manager import SILENCE, Manager
from proxy.openapi.operation import ANYTHING, EVENTS, JSON, TEXT, Operation, Parameter, Schema, model_parameter
from proxy.router import REST, Route
from proxy.services import Services

MOST_LINES = 10_000
USUAL_LINES = "200"
VERBS = frozenset({"load", "unload", "logs"})
POSTED = ".+/(load|unload)"

_LINES = re.compile(r"[0-9]{1,5}", re.ASCII)
MODELS = "/admin/models/*"
RELAYED = frozenset({"404", "405", "409"})  # the manager's own, passed on


def _model(method: str, verb: str, summary: str, status: int, answer: Schema = ModelStatus) -> Operation:
    path = "/admin/models/{model}" + verb
    kind = JSON if answer is ModelStatus else "text/plain"
    return Operation(
        *(method, path, summary, {status: {kind: answer}}, RELAYED),
        parameters=(model_parameter(), *(LOG_PARAMETERS if verb == "/logs" else ())),
        route=MODELS,
    )


LOG_PARAMETERS = (
    Parameter("lines", "query", "how many of the last", {"type": "integer", "minimum": 1, "maximum": MOST_LINES}),
    truth_parameter("follow", "whether to go on"),
)
OPERATIONS = (
    Operation("GET", "/admin/devices", "The devices, and what is booked of them.", {200: {JSON: DeviceList}}),
    Operation("GET", "/admin/models", "The models as the manager sees them.", {200: {JSON: ModelList}}),
    Operation("GET", "/admin/events", "News of the manager's, without end.", {200: {EVENTS: ANYTHING}}),
    _model("GET", "", "One model as the manager sees it.", 200),
    _model("GET", "/logs", "The last lines of the engine's log.", 200, TEXT),
    _model("POST", "/load", "The model's engine is to start.", 202),
    _model("POST", "/unload", "The model's engine is to stop.", 202),
)


class Relay:
    """One fixed path of the manager's."""

    def __init__(self, manager: Manager, target: bytes) -> None:
        self._manager = manager
        self._target = target

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await relay(self._manager, b"GET", self._target, send, SILENCE)


class ModelRelay:
    """`/admin/models/{name or alias}` and its verbs. Raises ApiError (404)."""

    def __init__(self, manager: Manager, feed: CatalogueFeed) -> None:
        self._manager = manager
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, verb = _split(scope[REST])
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        model = (await self._feed.get()).find(name)
        target = f"/models/{quote(model, safe='')}" + (f"/{verb}" if verb else "")
        silence: float | None = SILENCE
        if verb == "logs":
            query, follow = _log_query(scope)
            target += query
            silence = None if follow else SILENCE
        await relay(self._manager, method.encode(), target.encode(), send, silence)


async def relay(manager: Manager, method: bytes, target: bytes, send: Send, silence: float | None) -> None:
    """The manager's answer, passed on as it comes. Raises ManagerAbsent."""
    async with manager.request(method, target, silence) as answer:
        content_type = answer.headers.get(b"content-type", b"application/json")
        headers = [(b"content-type", content_type), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": True})  # the head goes out now
        while data := await answer.read(silence):
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _split(rest: str) -> tuple[str, str | None]:
    """`smollm2/logs` -> the model and the verb. An alias may hold slashes, too."""
    name, slash, verb = rest.rpartition("/")
    return (name, verb) if slash and verb in VERBS else (rest, None)


def _log_query(scope: Scope) -> tuple[str, bool]:
    """A query, of which nothing is passed on but what is meant -> the manager's query, and whether it follows."""
    query = query_of(scope)
    lines = text_in(query, "lines")
    if lines is None:
        lines = USUAL_LINES
    if not _LINES.fullmatch(lines) or not 0 < int(lines) <= MOST_LINES:
        raise ApiError(400, "invalid_value", f"'lines' is a number from 1 to {MOST_LINES}.", param="lines")
    follow = truth_in(query, "follow")
    return f"?lines={int(lines)}&follow={str(follow).lower()}", follow


def routes(services: Services) -> tuple[Route, ...]:
    model = ModelRelay(services.manager, services.feed)
    return (
        Route("GET", "/admin/devices", Relay(services.manager, b"/devices")),
        Route("GET", "/admin/models", Relay(services.manager, b"/models")),
        Route("GET", MODELS, model, rest=rf"(?!{POSTED}$).+"),
        Route("POST", MODELS, model, rest=POSTED),
        Route("GET", "/admin/events", Relay(services.manager, b"/events")),
    )
