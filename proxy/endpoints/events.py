"""One stream of all that happens to the caller's jobs and artifacts, and to the models that the caller may use.

`Last-Event-ID` takes it up where it broke off; where that is no longer known, `reset` says so: look at the lists then.
"""

from contextlib import aclosing

from proxy.access.admission import may_see, owner_of
from proxy.gateway import sse
from proxy.gateway.asgi import Receive, Scope, Send, headers_of
from proxy.gateway.heartbeat import STREAM_HEADERS
from proxy.jobs.events import EVERYBODY, Event, EventHub
from proxy.openapi.jobs import EVENT_OPERATIONS
from proxy.router import Route
from proxy.services import Services

OPERATIONS = EVENT_OPERATIONS

PATH = "/v1/events"
LAST_ID = b"last-event-id"


class EventStream:
    """It ends with the connection, or with the proxy."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        owner = owner_of(scope)

        def sees(event: Event) -> bool:
            return may_see(scope, event.model) if event.owner is EVERYBODY else event.owner == owner

        last = headers_of(scope).get(LAST_ID)
        async with aclosing(self._hub.follow(last.decode("latin-1") if last else None, sees)) as events:
            await send({"type": "http.response.start", "status": 200, "headers": list(STREAM_HEADERS)})
            await _write(send, sse.comment("listening"))
            async for event in events:
                await _write(send, event)
        await send({"type": "http.response.body", "body": b""})


async def _write(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


def routes(services: Services) -> tuple[Route, ...]:
    return (Route("GET", PATH, EventStream(services.events)),)
