"""The one renderer of errors: a status before the first byte, an error event after it.

It is also where a request gets its id, and where it is recorded: under the status of its end, which is another than
the one that was sent where a stream broke.

Exception
    ApiError            told as it is
    ClientLeft          nobody is there to be told
    CancelledError      the same, or its body stopped coming, or the proxy is stopping
    anything else       a fault of ours: its text is for the log, the caller gets the request id
"""

import asyncio
import logging
from http import HTTPStatus
from time import perf_counter
from typing import Final

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.gateway.answer_head import lines_of
from proxy.gateway.asgi import (
    BODY,
    BODY_LATE,
    CLIENT_LEFT,
    COSTLY,
    HEADERS,
    REQUEST_ID,
    START,
    App,
    RawHeaders,
    Receive,
    Reply,
    Scope,
)
from proxy.gateway.body import ClientLeft
from proxy.gateway.headers import RequestIds
from proxy.records import Records
from proxy.router import Shapes
from proxy.traffic import Traffic

BEGAN: Final = "roundhouse.began"  # in the scope of what is in flight already: when it began, by `perf_counter`
LEFT: Final = 499  # for the log alone
CUT_SHORT: Final = frozenset({"drained", "draining"})  # codes of requests that were in flight

_logger: Final = logging.getLogger("roundhouse.proxy")


class ErrorRenderer:
    """The outermost of the stack: every request leaves it answered and logged, and no exception leaves it."""

    def __init__(self, app: App, records: Records, traffic: Traffic, shapes: Shapes) -> None:
        self._app = app
        self._records = records
        self._traffic = traffic
        self._shapes = shapes
        self._ids = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        began: float | None = scope.get(BEGAN)
        is_counted = True
        if began is None:
            began = perf_counter()
            is_counted = self.enter(scope)
        error: ApiError | None = None
        try:
            await self._app(scope, receive, reply)
        except (ApiError, ClientLeft, asyncio.CancelledError) as raised:
            error = _told(raised)
        except Exception:  # the border: what passed here would reach nobody
            _logger.exception("request %s failed", scope[REQUEST_ID].decode())
            error = _fault(scope[REQUEST_ID])
        if error is not None:
            await _tell(scope, reply, error, self._shapes)
        if is_counted:
            self._traffic.leave()
        status, code = (reply.status, None) if error is None else (error.status, error.code)
        self._records.record(scope, status, perf_counter() - began, code)

    def enter(self, scope: Scope) -> bool:
        """A request has its id, and is in flight from now on -> whether it counts as that."""
        scope[REQUEST_ID] = self._ids.choose(scope[HEADERS].get(b"x-request-id"))
        return self._traffic.enter(scope["path"])

    def leave(self, scope: Scope, status: int, began: float) -> None:
        """A request that counts has had its answer, and nothing else is to be told."""
        self._traffic.leave()
        self._records.record(scope, status, perf_counter() - began, None)


async def _tell(scope: Scope, reply: Reply, error: ApiError, shapes: Shapes) -> None:
    """In the way that is left. A plain answer cut short is left so: its connection ends."""
    if COSTLY in scope and _has_cost(error):
        error.headers.update(DO_NOT_RETRY)
    told = shapes.of(scope["path"], error)
    if not reply.status:
        await reply({"type": START, "status": told.status, "headers": _headers(told), "body": told.body()})
    elif reply.is_stream and not reply.is_complete:
        await reply({"type": BODY, "body": told.event()})


def _told(raised: BaseException) -> ApiError:
    if isinstance(raised, ApiError):
        return raised
    if isinstance(raised, ClientLeft) or raised.args == (CLIENT_LEFT,):
        return ApiError(LEFT, CLIENT_LEFT, "The caller closed the connection.")
    if raised.args == (BODY_LATE,):
        message = "The request's body stopped coming."
        return ApiError(408, "request_timeout", message, headers={"connection": "close", **DO_NOT_RETRY})
    return ApiError(503, "draining", "The proxy is stopping.", headers={"retry-after": "5"})


def _has_cost(error: ApiError) -> bool:
    """Whether work may have been done for a request that failed so: all but a 503 of one that was never begun."""
    return error.status >= 500 and (error.status != 503 or error.code in CUT_SHORT)


def _fault(request_id: bytes) -> ApiError:
    message = f"The proxy failed at this request. Its log says why, under {request_id.decode()}."
    return ApiError(500, "server_error", message)


def _headers(error: ApiError) -> RawHeaders:
    """The headers of an error's answer, but for its length and the request id."""
    own = ((name.encode(), value.encode()) for name, value in error.headers.items())
    return [(b"content-type", b"application/json"), *own]


class Refusals:
    """The whole answer to a connection whose bytes are no request, and that ends with this. Recorded, too."""

    def __init__(self, records: Records, shapes: Shapes) -> None:
        self._records = records
        self._shapes = shapes
        self._ids = RequestIds()

    def __call__(self, error: ApiError, target: bytes) -> bytes:
        """`target` is as much as has come of the URL that is asked for."""
        request_id = self._ids.choose(None)
        self._records.refuse(request_id, error.status, error.code)
        path = target.partition(b"?")[0].decode("latin-1")
        return _render_raw(self._shapes.of(path, error), request_id)


def _render_raw(error: ApiError, request_id: bytes) -> bytes:
    line = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n".encode()
    body = error.body()
    headers = [*_headers(error), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    return line + lines_of([*headers, (b"x-request-id", request_id)]) + b"\r\n" + body
