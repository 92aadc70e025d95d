"""A request that an engine answers: read, peeked at, given to its model, and the bytes passed through."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from contract.capabilities import ENDPOINT_TYPES, STREAMED
from contract.catalogue import ModelType
from contract.errors import DO_NOT_RETRY, ApiError
from contract.usage import Usage
from proxy.access.admission import NOTHING
from proxy.access.estimate import estimate_of
from proxy.course import Course
from proxy.gateway.asgi import HEADERS, MODEL, REQUEST_ID, Receive, Scope, Send
from proxy.gateway.body import read_body, whole_body
from proxy.gateway.forward import Forwarder, Forwarding
from proxy.gateway.headers import TRACE, is_json, trace_line, wait_of
from proxy.gateway.keep_fields import has_keep_fields, keep_of, without_keep_fields
from proxy.gateway.long_body import LONG, peek_long
from proxy.gateway.peek import peek
from proxy.gateway.peeked import Peeked
from proxy.gateway.tally import Tally
from proxy.gateway.usage_report import ASKED_FOR, asks_for_usage, with_usage_wish
from proxy.lane import Lane, needs_nothing
from proxy.router import Route
from proxy.services import Services

JSON: Final = b"application/json"
WAIT: Final = b"x-roundhouse-wait"

# What an endpoint does to an admitted request's body before it is sent; None, the usual: nothing.
Prepare = Callable[[Scope, bytes], Awaitable[bytes] | None]


@dataclass(frozen=True)
class Step:
    """A Prepare that has to do with some bodies alone: those that `needs` tells."""

    needs: Callable[[bytes], bool]
    make: Callable[[bytes], Awaitable[bytes]]

    def __call__(self, scope: Scope, body: bytes) -> Awaitable[bytes] | None:
        return self.make(body) if self.needs(body) else None


class Dispatch:
    """What was read of a request -> its model, and the model's answer. Raises ApiError.

    `target` is the path at the engine, where that is another.
    """

    def __init__(
        self,
        path: str,
        services: Services,
        forwarder: Forwarder,
        prepare: Prepare | None = None,
        target: str | None = None,
    ) -> None:
        self._path = path
        self.line = b"POST " + (target or path).encode()
        self._prepare = prepare
        self._makes_text = ModelType.TEXT in ENDPOINT_TYPES[path]
        self._tells_if_asked = path in ASKED_FOR
        self._may_stream = path in STREAMED
        self._feed = services.feed
        self._access = services.access
        self._meter = services.meter
        self._forwarder = forwarder

    async def __call__(self, scope: Scope, send: Send, peeked: Peeked, body: bytes, content_type: bytes) -> None:
        keep: float | None = None
        if has_keep_fields(peeked):  # a form has none
            keep, body = keep_of(peeked), without_keep_fields(body)
        headers = scope[HEADERS]
        wait = wait_of(headers[WAIT]) if WAIT in headers else None
        trace = trace_line(headers[TRACE]) if TRACE in headers else b""
        directory = self._feed.directory or await self._feed.get()
        model = scope[MODEL] = directory.choose(self._path, peeked.model)
        ticket = self._access.admit(scope, model, partial(self.expect, peeked, len(body)))
        tally = Tally()
        with Course(self._path, model, ticket, tally, self._meter):
            prepared = self._prepare(scope, body) if self._prepare is not None else None
            if prepared is not None:
                body = await prepared
            if peeked.stream and self._tells_if_asked and ticket.counts and not asks_for_usage(peeked):
                tally.hides_usage, body = True, with_usage_wish(body, peeked)
            request = Forwarding(
                model, self.line, body, scope[REQUEST_ID], tally, content_type, wait, keep, trace=trace
            )
            if peeked.stream and self._may_stream:
                await self._forwarder.stream(request, send)
            else:
                await self._forwarder.plain(request, send)

    def expect(self, peeked: Peeked, size: int) -> Usage:
        """What a request is taken to cost until it is known."""
        return estimate_of(peeked, size) if self._makes_text else NOTHING


class Generation:
    """A row of the capability table whose requests are JSON. Raises ApiError."""

    def __init__(self, dispatch: Dispatch, body_size: int) -> None:
        self._dispatch = dispatch
        self._body_size = body_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        content_type = scope[HEADERS].get(b"content-type")
        if content_type != JSON:
            require_json(content_type)
        body = whole_body(scope, self._body_size)
        if body is None:
            body = await read_body(scope, receive, self._body_size)
        peeked = peek(body) if len(body) <= LONG else await peek_long(body)
        await self._dispatch(scope, send, peeked, body, JSON)


def generation_route(path: str, services: Services, prepare: Prepare | None = None, target: str | None = None) -> Route:
    """The route of a row of the capability table whose requests are JSON."""
    dispatch = Dispatch(path, services, services.forwarder, prepare, target)
    return Route("POST", path, Generation(dispatch, services.body_size), lane=_lane(path, dispatch, prepare, services))


def _lane(path: str, dispatch: Dispatch, prepare: Prepare | None, services: Services) -> Lane | None:
    """None where every request is prepared."""
    if prepare is not None and not isinstance(prepare, Step):
        return None
    needs = needs_nothing if prepare is None else prepare.needs
    return Lane(path, dispatch.line, min(services.body_size, LONG), needs, dispatch.expect)


def require_json(content_type: bytes | None) -> None:
    """Raises ApiError (415)."""
    if not is_json(content_type):
        message = "Send the body as 'Content-Type: application/json', in UTF-8."
        raise ApiError(415, "unsupported_media_type", message, headers=DO_NOT_RETRY)
