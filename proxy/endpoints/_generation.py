"""A request that an engine answers: read, peeked at, given to its model, and the bytes passed through."""

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.gateway.asgi import MODEL, REQUEST_ID, Receive, Scope, Send, headers_of
from proxy.gateway.body import read_body
from proxy.gateway.forward import Forwarder, Forwarding
from proxy.gateway.headers import is_json, wait_of
from proxy.gateway.keep_fields import has_keep_fields, keep_of, without_keep_fields
from proxy.gateway.peek import Peeked, peek
from proxy.router import Route
from proxy.services import Services

JSON = b"application/json"
WAIT = b"x-roundhouse-wait"


class Dispatch:
    """What was read of a request -> its model, and the model's answer. Raises ApiError."""

    def __init__(self, path: str, services: Services, forwarder: Forwarder) -> None:
        self._path = path
        self._target = path.encode()
        self._feed = services.feed
        self._forwarder = forwarder

    async def __call__(self, scope: Scope, send: Send, peeked: Peeked, body: bytes, content_type: bytes) -> None:
        keep: float | None = None
        if has_keep_fields(peeked):  # a form has none
            keep, body = keep_of(peeked), without_keep_fields(body)
        wait = wait_of(headers_of(scope).get(WAIT))
        directory = self._feed.directory or await self._feed.get()
        model = scope[MODEL] = directory.choose(self._path, peeked.model)
        request = Forwarding(model, self._target, body, scope[REQUEST_ID], content_type, wait, keep)
        if peeked.stream:
            await self._forwarder.stream(request, send)
        else:
            await self._forwarder.plain(request, send)


class Generation:
    """A row of the capability table whose requests are JSON. Raises ApiError."""

    def __init__(self, dispatch: Dispatch, body_size: int) -> None:
        self._dispatch = dispatch
        self._body_size = body_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _require_json(headers_of(scope).get(b"content-type"))
        body = await read_body(scope, receive, self._body_size)
        await self._dispatch(scope, send, peek(body), body, JSON)


def generation_route(path: str, services: Services) -> Route:
    """The route of a row of the capability table that makes text."""
    return Route("POST", path, Generation(Dispatch(path, services, services.forwarder), services.body_size))


def _require_json(content_type: bytes | None) -> None:
    if not is_json(content_type):
        message = "Send the body as 'Content-Type: application/json', in UTF-8."
        raise ApiError(415, "unsupported_media_type", message, headers=DO_NOT_RETRY)
