"""Whether the process lives, and whether to send it requests. Neither says more than that."""

from proxy.catalogue_feed import CatalogueFeed
from proxy.gateway.asgi import Receive, Scope, Send, respond_json
from proxy.openapi.operation import JSON, Operation, Schema
from proxy.router import Route
from proxy.services import Services
from proxy.traffic import Traffic


def _told(status: str) -> Schema:
    return {"type": "object", "properties": {"status": {"const": status}}, "required": ["status"]}


OPERATIONS = (
    Operation("GET", "/health", "Whether the process lives.", {200: {JSON: _told("ok")}}),
    Operation(
        "GET",
        "/ready",
        "Whether new requests are welcome.",
        {200: {JSON: _told("ready")}, 503: {JSON: _told("not ready")}},
    ),
)


class Readiness:
    """200 while new requests are welcome, 503 while draining or before the catalogue is known."""

    def __init__(self, feed: CatalogueFeed, traffic: Traffic) -> None:
        self._feed = feed
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._traffic.draining or self._feed.directory is None:
            await respond_json(send, 503, b'{"status":"not ready"}')
        else:
            await respond_json(send, 200, b'{"status":"ready"}')


async def health(scope: Scope, receive: Receive, send: Send) -> None:
    """200 for as long as the process can answer."""
    await respond_json(send, 200, b'{"status":"ok"}')


def routes(services: Services) -> tuple[Route, ...]:
    ready = Readiness(services.feed, services.traffic)
    return (Route("GET", "/health", health), Route("GET", "/ready", ready))
