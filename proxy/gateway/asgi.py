"""The ASGI protocol's types, what we add to it, and the few things of ours that travel in a request's scope.

scope["roundhouse.body"]
    the whole body, where it came with the head and was not received: it need not be.
scope["roundhouse.costly"]
    present where the same work must not be done twice by itself: the SDK repeats failed requests.
scope["roundhouse.headers"]
    the headers as a dict, lower-case names; a header that stands twice has its last value there.
scope["roundhouse.model"]
    the model that serves the request, once known: for the access log.
scope["roundhouse.request_id"]
    the id that every answer, log line and upstream request carries.
scope["roundhouse.telling"]
    a function that gives further header lines of the answer; it is asked when the answer's head is written.

A `http.response.start` may hold the `body`: then it is the whole answer, and nothing follows it.
"""

from collections.abc import Awaitable, Callable, Generator, MutableMapping
from typing import Any, Final, Protocol, cast

Scope = dict[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

RawHeaders = list[tuple[bytes, bytes]]
Headers = dict[bytes, bytes]

BODY_WHOLE: Final = "roundhouse.body"
COSTLY: Final = "roundhouse.costly"
HEADERS: Final = "roundhouse.headers"
MODEL: Final = "roundhouse.model"
REQUEST_ID: Final = "roundhouse.request_id"
TELLING: Final = "roundhouse.telling"

START: Final = "http.response.start"
BODY: Final = "http.response.body"

# The messages with which a request's task is cancelled.
CLIENT_LEFT: Final = "client_left"
BODY_LATE: Final = "body_late"


class Reply(Protocol):
    """A request's `send`, which knows how far its answer is. `status` is 0 until the answer has one."""

    status: int
    is_stream: bool
    is_complete: bool

    def __call__(self, message: Message) -> Awaitable[None]: ...


class Done:
    """Awaitable, and done: cheaper than a coroutine that returns at once."""

    def __await__(self) -> Generator[None, None, None]:
        return _NOTHING


_NOTHING: Final = cast(Generator[None, None, None], iter(()))
DONE: Final = Done()


def headers_of(scope: Scope) -> Headers:
    """The request's headers by lower-case name."""
    headers: Headers = scope[HEADERS]
    return headers


def respond(
    send: Send, status: int, content_type: bytes, body: bytes, extra: RawHeaders | None = None
) -> Awaitable[None]:
    """One whole answer."""
    headers = [(b"content-type", content_type), *(extra or ())]
    return send({"type": START, "status": status, "headers": headers, "body": body})


def respond_json(send: Send, status: int, body: bytes) -> Awaitable[None]:
    return send({"type": START, "status": status, "headers": JSON_HEADERS, "body": body})


JSON_HEADERS: Final = ((b"content-type", b"application/json"),)
