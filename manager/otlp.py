"""Traces by OTLP: a span for each thing that a model goes through.

Imported only where the settings name a collector.
"""

import asyncio
import re
from contextlib import suppress
from threading import Thread

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from requests import Session

from manager.supervision.passages import Listener, Outcome, Passage

CLOSE_SECONDS = 3.0  # a collector that is away does not hold up the manager's end for longer

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_PROPAGATOR = TraceContextTextMapPropagator()


class OtlpTracing:
    """As `Tracing`: sends what has ended to `endpoint`, every few seconds and from a thread of its own."""

    def __init__(self, endpoint: str, service: str) -> None:
        session = Session()
        session.trust_env = False
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, session=session)))

    def listeners(self) -> tuple[Listener, ...]:
        return (Spans(self._provider.get_tracer("roundhouse.manager")),)

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


class Spans:
    """A listener of passages: each is a span of the caller's trace for whom it is done, or of a trace of its own."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[str, Span] = {}

    def began(self, passage: Passage) -> None:
        span = self._tracer.start_span(f"{passage.kind} {passage.model}", _context_of(passage.trace))
        span.set_attribute("gen_ai.request.model", passage.model)
        span.set_attribute("roundhouse.engine", passage.engine)
        span.set_attribute("roundhouse.run", passage.run)
        if passage.reason:
            span.set_attribute("roundhouse.reason", passage.reason)
        self._open[passage.model] = span

    def reached(self, passage: Passage, phase: str) -> None:
        self._open[passage.model].add_event(phase)

    def ended(self, passage: Passage, outcome: Outcome, seconds: float, code: str) -> None:
        span = self._open.pop(passage.model)
        span.set_attribute("roundhouse.outcome", outcome)
        if outcome is Outcome.FAILED:
            span.set_attribute("error.type", code or "failed")
            span.set_status(Status(StatusCode.ERROR, code))
        span.end()

    def forget(self, model: str) -> None:
        """What it went through has ended before."""


def _context_of(traceparent: str | None) -> Context:
    """A new trace where there is none that is valid."""
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return Context()
    return _PROPAGATOR.extract({"traceparent": traceparent}, Context())
