"""Spans of the proxy, as a collector gets them; and what is so where there is none."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contract.lease import Ready
from proxy.gateway.asgi import Receive, Scope, Send
from proxy.metrics.meter import Meter
from proxy.metrics.paths import PathLabels
from proxy.settings import Settings
from proxy.tracing import make_tracing
from tests.fakes.collector import FakeCollector
from tests.proxy.world import World, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CANARY = "canary-7f3a"


@asynccontextmanager
async def traced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, FakeCollector]]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")  # milliseconds
    async with FakeCollector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        async with world(folder) as w:
            yield w, collector


async def test_a_request_is_a_span_with_what_it_was_and_took_and_none_of_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(tmp_path, monkeypatch) as (w, collector):
        words = f'"messages":[{{"role":"user","content":"{CANARY}"}}],"stream_options":{{"include_usage":true}}'
        body = f'{{"model":"little","stream":true,{words}}}'.encode()
        key = f"authorization: Bearer {CANARY}"
        await w.post(CHAT, body, "x-request-id: mine", key, f"user-agent: {CANARY}")
        span = await collector.span("chat small")
        assert collector.paths == ["/v1/traces"]
        assert (span.service, span.parent, span.error) == ("roundhouse-proxy", "", False)
        used = {name: span.attributes.pop(f"gen_ai.usage.{name}_tokens") for name in ("input", "output")}
        assert all(isinstance(count, int) and count > 0 for count in used.values())
        assert span.attributes == {
            "http.request.method": "POST",
            "http.route": CHAT,
            "http.response.status_code": 200,
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "roundhouse",
            "gen_ai.request.model": "small",
            "roundhouse.request_id": "mine",
        }
        assert span.events == ("gen_ai.first_token",)
        first, end = span.seconds
        assert 0 < first <= end
        assert CANARY.encode() not in b"".join(collector.bodies)


async def test_a_span_is_the_child_of_the_callers_and_the_parent_of_the_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(tmp_path, monkeypatch) as (w, collector):
        await w.post(CHAT, b'{"model":"small"}', f"traceparent: 00-{TRACE}-{PARENT}-01")
        span = await collector.span("chat small")
        assert (span.trace, span.parent) == (TRACE, PARENT)
        assert w.engine.seen.requests[-1].headers["traceparent"] == f"00-{TRACE}-{span.id}-01"


@pytest.mark.parametrize("header", [f"00-{TRACE}-{'0' * 16}-01", f"00-{'0' * 32}-{PARENT}-01", "nonsense", "00-x-y-01"])
async def test_a_header_that_is_not_valid_begins_a_trace_of_our_own(
    header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(tmp_path, monkeypatch) as (w, collector):
        await w.post(CHAT, b'{"model":"small"}', f"traceparent: {header}")
        span = await collector.span("chat small")
        assert span.parent == ""
        assert span.trace not in {TRACE, "0" * 32}
        assert span.trace in w.engine.seen.requests[-1].headers["traceparent"]


async def test_a_caller_that_keeps_no_trace_gets_none_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with traced(tmp_path, monkeypatch) as (w, collector):
        await w.post(CHAT, b'{"model":"small"}', f"traceparent: 00-{TRACE}-{PARENT}-00")
        assert w.engine.seen.requests[-1].headers["traceparent"].endswith("-00")
        await w.post(CHAT, b'{"model":"small"}')
        assert (await collector.span("chat small")).trace != TRACE
        assert len(collector.spans) == 1


async def test_a_failure_is_told_by_its_code_and_whose_fault_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(tmp_path, monkeypatch) as (w, collector):
        await w.post(CHAT, b'{"model":"small","fake":{"status":500}}')
        await w.post(CHAT, b'{"model":"nobody"}')
        await w.post("/v1/canary", b"{}")
        failed = await collector.span("chat small")
        assert (failed.error, failed.attributes["http.response.status_code"]) == (True, 502)
        refused = await collector.span(f"POST {CHAT}")
        assert (refused.error, refused.attributes["error.type"]) == (False, "model_not_found")
        assert (await collector.span("POST other")).attributes["http.response.status_code"] == 404


async def test_a_stream_that_breaks_fails_though_its_status_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(tmp_path, monkeypatch) as (w, collector):
        await w.post(CHAT, b'{"model":"small","stream":true,"fake":{"die_after":2}}')
        span = await collector.span("chat small")
        assert span.error
        assert span.attributes["http.response.status_code"] == 502


async def test_a_caller_that_leaves_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with traced(tmp_path, monkeypatch) as (w, collector):
        stream = await w.stream(hang_after=1)
        await stream.close()
        span = await collector.span("chat small")
        assert (span.attributes["error.type"], span.error) == ("client_left", False)


async def test_a_load_is_asked_for_in_the_trace_of_the_request_that_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(tmp_path, monkeypatch) as (w, collector):
        asking = asyncio.create_task(w.post(CHAT, b'{"model":"large"}', f"traceparent: 00-{TRACE}-{PARENT}-01"))
        lease = await w.manager.lease()
        await lease.send(Ready(endpoint=w.engine.url))
        await asking
        span = await collector.span("chat large")
        assert lease.trace == f"00-{TRACE}-{span.id}-01"


async def test_a_lease_that_is_opened_again_belongs_to_no_request_that_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(tmp_path, monkeypatch) as (w, _):
        await w.chat("small")
        first = await w.manager.lease(0)
        first.end()
        second = await w.manager.lease(1)
        assert first.trace is not None
        assert second.trace is None


async def test_what_is_no_work_of_a_models_is_no_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with traced(tmp_path, monkeypatch) as (w, collector):
        for path in ("/health", "/ready", "/metrics", "/admin/models", "/"):
            await w.get(path)
        await w.get("/v1/models")
        await collector.span("GET /v1/models")
        assert len(collector.spans) == 1


async def test_the_log_names_the_trace_that_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROUNDHOUSE_ACCESS_LOG", "json")
    async with traced(tmp_path, monkeypatch) as (w, collector):
        await w.chat("small")
        span = await collector.span("chat small")
    assert f'"trace_id":"{span.trace}"' in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["away", "refuses"])
async def test_a_collector_that_does_not_take_them_delays_no_request_and_not_the_end(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.otlp.CLOSE_SECONDS", 0.5)
    async with traced(tmp_path, monkeypatch) as (w, collector):
        collector.status = 503
        if fault == "away":
            await collector.__aexit__(None, None, None)
        for _ in range(20):
            began = time.monotonic()
            assert (await w.post(CHAT, b'{"model":"small"}')).status == 200
            assert time.monotonic() - began < 1
        ending = time.monotonic()
    assert time.monotonic() - ending < 3


async def test_without_a_collector_nothing_is_traced_and_the_callers_span_is_the_engines_parent(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.post(CHAT, b'{"model":"small"}', f"traceparent: 00-{TRACE}-{PARENT}-01")
        assert w.engine.seen.requests[-1].headers["traceparent"] == f"00-{TRACE}-{PARENT}-01"
        assert (await w.manager.lease()).trace is None


def test_without_a_collector_a_requests_way_is_the_same_to_the_object() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Never called."""

    off = make_tracing(None, "p")
    assert off.traced(app, PathLabels(())) is app
    assert type(off.meter()) is Meter


@pytest.mark.parametrize(
    ("base", "traces", "told"),
    [
        (None, None, None),
        ("http://c:4318/", None, "http://c:4318/v1/traces"),
        ("http://c:4318", "http://d/x", "http://d/x"),
        (None, "http://d/x", "http://d/x"),
        ("", "", None),
    ],
)
async def test_the_standard_variables_say_where_spans_are_sent(
    base: str | None, traces: str | None, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("OTEL_EXPORTER_OTLP_ENDPOINT", base), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", traces)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert Settings().traces_to == told
