"""The ASGI protocol's types, and the few things of ours that travel in a request's scope.

scope["roundhouse.costly"]
    present where the same work must not be done twice by itself: the SDK repeats failed requests.
scope["roundhouse.error_shape"]
    how this path's callers expect an error, where that is not OpenAI's way: ApiError -> ApiError.
scope["roundhouse.headers"]
    the headers as a dict, lower-case names; a header that stands twice has its last value there.
scope["roundhouse.model"]
    the model that serves the request, once known: for the access log.
scope["roundhouse.request_id"]
    the id that every answer, log line and upstream request carries.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

RawHeaders = list[tuple[bytes, bytes]]

COSTLY = "roundhouse.costly"
ERROR_SHAPE = "roundhouse.error_shape"
HEADERS = "roundhouse.headers"
MODEL = "roundhouse.model"
REQUEST_ID = "roundhouse.request_id"

# The messages with which a request's task is cancelled.
CLIENT_LEFT = "client_left"
BODY_LATE = "body_late"


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """The request's headers by lower-case name."""
    headers: Mapping[bytes, bytes] = scope[HEADERS]
    return headers


async def respond(send: Send, status: int, content_type: bytes, body: bytes, extra: RawHeaders | None = None) -> None:
    """One whole answer."""
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *(extra or ())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, status: int, body: bytes) -> None:
    await respond(send, status, b"application/json", body)
