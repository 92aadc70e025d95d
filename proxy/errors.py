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
from collections.abc import Awaitable
from http import HTTPStatus
from time import perf_counter

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.gateway.asgi import (
    BODY_LATE,
    CLIENT_LEFT,
    COSTLY,
    ERROR_SHAPE,
    HEADERS,
    REQUEST_ID,
    App,
    Message,
    Receive,
    Scope,
    Send,
)
from proxy.gateway.body import ClientLeft
from proxy.gateway.headers import RequestIds
from proxy.gateway.sse import MEDIA_TYPE
from proxy.records import Records

LEFT = 499  # for the log alone
CUT_SHORT = frozenset({"drained", "draining"})  # codes of requests that were in flight

_logger = logging.getLogger("roundhouse.proxy")


class Reply:
    """A request's `send`: adds the request id to the answer, and knows how much of it has been sent."""

    __slots__ = ("_request_id", "_send", "is_complete", "is_stream", "status")

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0
        self.is_stream = False
        self.is_complete = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.is_stream = message["headers"][0][1].startswith(MEDIA_TYPE)  # all our answers name it first
            message["headers"].append((b"x-request-id", self._request_id))
        else:
            self.is_complete = not message.get("more_body")
        return self._send(message)

    async def fail(self, error: ApiError) -> None:
        """Tell the caller in the way that is left. A plain answer cut short is left so: uvicorn closes it."""
        if not self.status:
            await self({"type": "http.response.start", "status": error.status, "headers": headers_of(error)})
            await self({"type": "http.response.body", "body": error.body()})
        elif self.is_stream and not self.is_complete:
            await self({"type": "http.response.body", "body": error.event()})


class ErrorRenderer:
    """The outermost of the stack: every request leaves it answered and logged, and no exception leaves it."""

    def __init__(self, app: App, records: Records) -> None:
        self._app = app
        self._records = records
        self._ids = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope[HEADERS] = dict(scope["headers"])
        request_id = scope[REQUEST_ID] = self._ids.choose(headers.get(b"x-request-id"))
        reply = Reply(send, request_id)
        began = perf_counter()
        error: ApiError | None = None
        try:
            await self._app(scope, receive, reply)
        except (ApiError, ClientLeft, asyncio.CancelledError) as raised:
            error = _told(raised)
        except Exception:  # the border: what passed here would reach nobody
            _logger.exception("request %s failed", request_id.decode())
            error = _fault(request_id)
        if error is not None:
            if COSTLY in scope and _has_cost(error):
                error.headers.update(DO_NOT_RETRY)
            await reply.fail(scope[ERROR_SHAPE](error) if ERROR_SHAPE in scope else error)
            self._records.record(scope, error.status, perf_counter() - began, error.code)
        else:
            self._records.record(scope, reply.status, perf_counter() - began, None)


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


def headers_of(error: ApiError) -> list[tuple[bytes, bytes]]:
    """The headers of an error's answer, all but the request id."""
    own = [(name.encode(), value.encode()) for name, value in error.headers.items()]
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(error.body())), *own]


class Refusals:
    """The whole answer to a connection whose bytes are no request, and that ends with this. Recorded, too."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._ids = RequestIds()

    def __call__(self, error: ApiError) -> bytes:
        request_id = self._ids.choose(None)
        self._records.refuse(request_id, error.status, error.code)
        return _render_raw(error, request_id)


def _render_raw(error: ApiError, request_id: bytes) -> bytes:
    headers = [*headers_of(error), (b"connection", b"close"), (b"x-request-id", request_id)]
    lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", error.body()])
