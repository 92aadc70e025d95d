"""The manager's verbs, relayed with its token: the page and the command line speak to the proxy alone."""

from urllib.parse import parse_qs, quote

from contract.errors import ApiError
from proxy.catalogue_feed import CatalogueFeed
from proxy.gateway.asgi import Receive, Scope, Send
from proxy.gateway.manager import SILENCE, Manager
from proxy.router import REST, Route
from proxy.services import Services

MOST_LINES = 10_000
VERBS = {"load": "POST", "unload": "POST", "logs": "GET"}


class Relay:
    """One fixed path of the manager's."""

    def __init__(self, manager: Manager, target: bytes) -> None:
        self._manager = manager
        self._target = target

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await relay(self._manager, b"GET", self._target, send, SILENCE)


class ModelRelay:
    """`/admin/models/{name or alias}` and its verbs. Raises ApiError (404, 405)."""

    def __init__(self, manager: Manager, feed: CatalogueFeed) -> None:
        self._manager = manager
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, verb = _split(scope[REST])
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        _require_method(method, VERBS[verb] if verb else "GET")
        model = (await self._feed.get()).find(name)
        target = f"/models/{quote(model, safe='')}" + (f"/{verb}" if verb else "")
        silence: float | None = SILENCE
        if verb == "logs":
            query, follow = _log_query(scope["query_string"])
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


def _require_method(method: str, wanted: str) -> None:
    if method != wanted:
        raise ApiError(405, "method_not_allowed", f"Use {wanted} here.", headers={"allow": wanted})


def _log_query(query: bytes) -> tuple[str, bool]:
    """A query, of which nothing is passed on but what is meant -> the manager's query, and whether it follows."""
    given = parse_qs(query.decode("latin-1"))
    lines = given.get("lines", ["200"])[-1]
    if not (lines.isascii() and lines.isdecimal()) or not 0 < int(lines[:6]) <= MOST_LINES:
        raise ApiError(400, "invalid_value", f"'lines' is a number from 1 to {MOST_LINES}.", param="lines")
    follow = given.get("follow", ["false"])[-1] in {"true", "1"}
    return f"?lines={int(lines[:6])}&follow={str(follow).lower()}", follow


def routes(services: Services) -> tuple[Route, ...]:
    model = ModelRelay(services.manager, services.feed)
    return (
        Route("GET", "/admin/devices", Relay(services.manager, b"/devices")),
        Route("GET", "/admin/models", Relay(services.manager, b"/models")),
        Route("GET", "/admin/models/*", model),
        Route("POST", "/admin/models/*", model),
        Route("GET", "/admin/events", Relay(services.manager, b"/events")),
    )
