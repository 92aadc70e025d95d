"""Spans of what models go through, made without a collector."""

from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from contract.catalogue import ModelEntry
from manager.engines.kind import Order, Weights
from manager.engines.vllm import ENGINE as VLLM
from manager.engines.vllm import Vllm
from manager.engines.vllm_pooling import ENGINE as POOLING
from manager.otlp import Spans
from manager.settings import ManagerSettings
from manager.specification import DeviceKind, Inside, Placement
from manager.tracing import Tracing, make_tracing
from tests.fakes.effects import FakeKind, level
from tests.manager.bench import CRASH, Bench, fixed

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SLEEPER = FakeKind((level(1, keeps_weights=False),))


def traced(*names: str) -> tuple[Bench, InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    models = (fixed(name, kind=SLEEPER, idle_timeout=60) for name in names)
    return Bench(*models, listeners=(Spans(provider.get_tracer("test")),)), exporter


def told(span: ReadableSpan) -> tuple[str, str, str | None]:
    assert span.context is not None
    parent = format_span_id(span.parent.span_id) if span.parent else None
    return span.name, format_trace_id(span.context.trace_id), parent


def test_a_load_is_a_child_of_the_callers_span_and_has_its_phases_as_events() -> None:
    bench, spans = traced("a")
    bench.open("a", trace=f"00-{TRACE}-{PARENT}-01")
    bench.reach("a", "loading weights")
    assert not spans.get_finished_spans()
    bench.ready("a")
    (load,) = spans.get_finished_spans()
    assert told(load) == ("load a", TRACE, PARENT)
    assert [event.name for event in load.events] == ["loading weights"]
    assert dict(load.attributes or {}) == {
        "gen_ai.request.model": "a",
        "roundhouse.engine": "fake",
        "roundhouse.run": 1,
        "roundhouse.outcome": "ok",
    }


def test_a_trace_context_that_is_not_valid_is_none() -> None:
    for context in (None, "", "nonsense", f"00-{TRACE}-{PARENT}-01, x", f"00-{TRACE.upper()}-{PARENT}-01"):
        bench, spans = traced("a")
        bench.open("a", trace=context)
        bench.ready("a")
        name, trace, parent = told(spans.get_finished_spans()[0])
        assert (name, parent) == ("load a", None)
        assert trace != TRACE


def test_sleeping_waking_and_stopping_are_traces_of_their_own_with_the_reason() -> None:
    bench, spans = traced("a")
    bench.close(bench.serving("a"))
    bench.pass_time(61)
    bench.asleep("a")
    bench.open("a", trace=f"00-{TRACE}-{PARENT}-01")
    bench.awake("a")
    bench.unload("a")
    bench.ended("a")
    _, sleep, wake, drain, stop = spans.get_finished_spans()
    assert [told(span)[0] for span in (sleep, wake, drain, stop)] == ["sleep a", "wake a", "drain a", "stop a"]
    assert told(wake)[1:] == (TRACE, PARENT)
    assert {told(span)[2] for span in (sleep, drain, stop)} == {None}
    reasons = [(span.attributes or {}).get("roundhouse.reason") for span in (sleep, wake, drain, stop)]
    assert reasons == ["idle", None, "unloaded", "unloaded"]


def test_a_load_that_fails_says_so_by_its_code_alone() -> None:
    bench, spans = traced("a")
    bench.open("a")
    bench.ended("a", CRASH)
    (load,) = spans.get_finished_spans()
    assert not load.status.is_ok
    assert (load.attributes or {})["error.type"] == CRASH.code
    assert CRASH.reason not in load.to_json()


def test_without_a_collector_nobody_listens() -> None:
    assert make_tracing(ManagerSettings().traces_to, "m").listeners() == ()
    assert type(make_tracing(None, "m")) is Tracing


def test_engines_in_containers_are_not_told_of_a_collector_that_they_could_not_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")
    assert ManagerSettings(runtime="process").engine_traces_to == "http://c:4318/v1/traces"
    assert ManagerSettings(runtime="docker").engine_traces_to is None
    assert ManagerSettings(runtime="docker").traces_to == "http://c:4318/v1/traces"


@pytest.mark.parametrize("engine", [VLLM, POOLING])
def test_vllm_is_told_where_to_send_its_spans_and_nothing_where_there_is_no_place(engine: Vllm) -> None:
    entry = ModelEntry.model_validate({"type": "text", "source": "./m"})
    placement, inside = Placement(DeviceKind.CPU, ("cpu",), 2**30, 2**34), Inside("/models", "/hub", "/cache")
    order = Order("m", entry, "rh-m", Weights("/models/m", 1), placement, inside)
    bare, told = engine.specify(order), engine.specify(replace(order, traces_to="http://c:4318/v1/traces"))
    place = told.arguments.index("--otlp-traces-endpoint")
    assert told.arguments[place + 1] == "http://c:4318/v1/traces"
    assert told.env["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"
    assert "--otlp-traces-endpoint" not in bare.arguments
    assert not [name for name in bare.env if name.startswith("OTEL_")]
