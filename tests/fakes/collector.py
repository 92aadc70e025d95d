"""A fake OTLP collector: keeps the spans that are sent to it, as the protocol's own classes read them.

`async with FakeCollector() as collector`: spans go to `collector.url`.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

from tests.fakes.http import Exchange, HttpServer


@dataclass(frozen=True)
class Span:
    """One that was sent. Ids are hexadecimal; `parent` is empty where it has none. `error`: its status says so."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str | int]
    events: tuple[str, ...]
    seconds: tuple[float, ...]  # from its beginning to each event, and to its end
    error: bool


class FakeCollector:
    """`bodies` are as they came; with a `status` of 500 and more it has a fault."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.status = 200
        self._server = HttpServer(self._take)
        self._more = asyncio.Condition()

    @property
    def url(self) -> str:
        """What the variable OTEL_EXPORTER_OTLP_ENDPOINT is set to."""
        return self._server.url

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop()

    async def span(self, name: str, number: int = 1) -> Span:
        """The span of that name, waited for: the first, or the one of that number."""
        async with asyncio.timeout(20), self._more:
            await self._more.wait_for(lambda: len(self._named(name)) >= number)
        return self._named(name)[number - 1]

    def _named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    async def _take(self, exchange: Exchange) -> None:
        self.paths.append(exchange.request.path)
        self.bodies.append(exchange.request.body)
        if self.status == 200:
            async with self._more:
                self.spans += _spans(exchange.request.body)
                self._more.notify_all()
        await exchange.answer(self.status, b"", "application/x-protobuf")


def _spans(body: bytes) -> list[Span]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    return [
        _span(str(_values(resource.resource.attributes)["service.name"]), span)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _span(service: str, sent: Sent) -> Span:
    moments = [event.time_unix_nano for event in sent.events] + [sent.end_time_unix_nano]
    return Span(
        service,
        sent.name,
        sent.trace_id.hex(),
        sent.span_id.hex(),
        sent.parent_span_id.hex(),
        _values(sent.attributes),
        tuple(event.name for event in sent.events),
        tuple((moment - sent.start_time_unix_nano) / 1e9 for moment in moments),
        sent.status.code == 2,
    )


def _values(attributes: Iterable[KeyValue]) -> dict[str, str | int]:
    return {
        each.key: each.value.int_value if each.value.HasField("int_value") else each.value.string_value
        for each in attributes
    }
