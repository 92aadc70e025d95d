"""Traces by OTLP: a span for each request of a model's, and none of its words.

Imported only where the settings name a collector. What a span is told of an engine's answer it gets from
the meter; the engine, the manager and the access log get the span's name in place of the caller's.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from threading import Thread
from time import time_ns
from types import TracebackType
from typing import Final, Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from requests import Session

from contract.errors import ApiError
from proxy.gateway.asgi import CLIENT_LEFT, HEADERS, MODEL, REQUEST_ID, App, Message, Receive, Scope, Send, headers_of
from proxy.gateway.body import ClientLeft
from proxy.gateway.headers import TRACE, trace_id_of
from proxy.metrics.conventions import operation_of
from proxy.metrics.meter import Meter, Tokens
from proxy.metrics.paths import PathLabels
from proxy.metrics.requests import PROVIDER
from proxy.traffic import WORK

CLOSE_SECONDS: Final = 3.0  # a collector that is away does not hold up the proxy's end for longer

_PROPAGATOR: Final = TraceContextTextMapPropagator()


class OtlpTracing:
    """As `Tracing`: sends what has ended to `endpoint`, every few seconds and from a thread of its own."""

    is_on = True

    def __init__(self, endpoint: str, service: str) -> None:
        session = Session()
        session.trust_env = False
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, session=session)))

    def meter(self) -> Meter:
        return TracedMeter()

    def traced(self, app: App, labels: PathLabels) -> App:
        return TracedRequests(app, self._provider, labels)

    def current_traceparent(self) -> bytes:
        span = get_current_span()
        return _traceparent(span) if span.is_recording() else b""

    async def close(self) -> None:
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def close() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop may have ended before it
                loop.call_soon_threadsafe(closed.set)

        Thread(target=close, name="end of traces", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await closed.wait()


class TracedRequests:
    """Pure ASGI. A request that a caller's `traceparent` places in a trace is part of that trace."""

    def __init__(self, app: App, provider: TracerProvider, labels: PathLabels) -> None:
        self._app = app
        self._tracer = provider.get_tracer("roundhouse.proxy")
        self._labels = labels

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if not scope["path"].startswith(WORK):
            return self._app(scope, receive, send)
        return self._traced(scope, receive, send)

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        route, headers = self._labels.of(scope["path"]), headers_of(scope)
        with self._tracer.start_as_current_span(
            f"{scope['method']} {route}",
            _context_of(headers.get(TRACE)),
            SpanKind.SERVER,
            _attributes(scope, route),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            scope[HEADERS] = {**headers, TRACE: _traceparent(span)}
            with _Ending(span, scope, route, send) as ending:
                await self._app(scope, receive, ending)


class _Ending:
    """A request's `send`, which remembers the status; at the end the span is told that, or why the request failed."""

    __slots__ = ("_route", "_scope", "_send", "_span", "_status")

    def __init__(self, span: Span, scope: Scope, route: str, send: Send) -> None:
        self._span = span
        self._scope = scope
        self._route = route
        self._send = send
        self._status = 0

    def __enter__(self) -> Self:
        return self

    def __call__(self, message: Message) -> Awaitable[None]:
        self._status = message.get("status", self._status)
        return self._send(message)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._status = _fail(self._span, error)
        _finish(self._span, self._scope, self._route, self._status)


class TracedMeter(Meter):
    """Tells the span of the request that is over, too, what it is told."""

    def done(  # noqa: PLR0917
        self,
        path: str,
        model: str,
        status: int,
        seconds: float,
        first_token_seconds: float | None,
        usage: Tokens | None,
    ) -> None:
        super().done(path, model, status, seconds, first_token_seconds, usage)
        span = get_current_span()
        if not span.is_recording():
            return
        if first_token_seconds is not None:
            span.add_event("gen_ai.first_token", timestamp=time_ns() - int((seconds - first_token_seconds) * 1e9))
        if usage is not None:
            span.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", usage.completion_tokens)


def _context_of(traceparent: bytes | None) -> Context:
    """What a caller's header says; a new trace where it says nothing that is valid."""
    if traceparent is None or trace_id_of(traceparent) is None:
        return Context()
    return _PROPAGATOR.extract({"traceparent": traceparent.decode()}, Context())


def _traceparent(span: Span) -> bytes:
    at = span.get_span_context()
    return f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}".encode()


def _attributes(scope: Scope, route: str) -> Mapping[str, str]:
    return {
        "http.request.method": scope["method"],
        "http.route": route,
        "gen_ai.operation.name": operation_of(route),
        "gen_ai.provider.name": PROVIDER,
        "roundhouse.request_id": scope[REQUEST_ID].decode(),
    }


def _fail(span: Span, error: BaseException) -> int:
    """Notes why a request failed, without its words -> the status of its end."""
    status, code = _told(error)
    span.set_attribute("error.type", code)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR, code))
    return status


def _told(error: BaseException) -> tuple[int, str]:
    if isinstance(error, ApiError):
        return error.status, error.code or str(error.status)
    if isinstance(error, ClientLeft) or error.args == (CLIENT_LEFT,):
        return 499, CLIENT_LEFT
    return (503, "draining") if isinstance(error, asyncio.CancelledError) else (500, "server_error")


def _finish(span: Span, scope: Scope, route: str, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    model = scope.get(MODEL)
    if model is not None:
        span.set_attribute("gen_ai.request.model", model)
        span.update_name(f"{operation_of(route)} {model}")
