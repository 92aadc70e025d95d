"""One trace through proxy and manager as processes, with a mock engine; and the figures of what it did."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from tests.fakes.collector import FakeCollector
from tests.integration.stack import Stack, eventually, running
from tests.proxy.scraped import Scrape

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENTRIES = {
    "quick": {"type": "text", "engine": "mock", "memory": "64MiB", "args": {"load-seconds": 0.5}},
    "broken": {"type": "text", "engine": "mock", "memory": "64MiB", "args": {"die-at-load": True}},
}


def stack_in(folder: Path, **settings: str) -> Stack:
    catalogue = folder / "catalogue" / "models.json"
    catalogue.parent.mkdir()
    catalogue.write_text(json.dumps(ENTRIES))
    return Stack("process", folder, name="rhtrace", catalogue=catalogue, models=folder, settings=settings)


def ask(stack: Stack, model: str, **headers: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 3}
    url = f"{stack.base_url}/v1/chat/completions"
    return httpx.post(url, json=body, headers=headers, trust_env=False, timeout=300).status_code


def scrape(stack: Stack) -> Scrape:
    answer = httpx.get(f"{stack.base_url}/metrics", trust_env=False)
    return Scrape.read(answer.raise_for_status().content)


async def test_one_trace_leads_from_the_caller_through_the_proxy_to_the_managers_load(tmp_path: Path) -> None:
    def use(url: str) -> None:
        stack = stack_in(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY="100")
        with running(stack) as box:
            assert ask(box, "quick", traceparent=f"00-{TRACE}-{PARENT}-01") == 200
            assert ask(box, "quick") == 200
            assert ask(box, "broken", traceparent=f"00-{TRACE}-{PARENT}-01") == 503

    async with FakeCollector() as collector:
        await asyncio.to_thread(use, collector.url)
    chat, again = [await collector.span("chat quick", number) for number in (1, 2)]
    assert (chat.service, chat.trace, chat.parent) == ("roundhouse-proxy", TRACE, PARENT)
    load = await collector.span("load quick")
    assert (load.service, load.trace, load.parent) == ("roundhouse-manager", TRACE, chat.id)
    assert load.attributes["roundhouse.outcome"] == "ok"
    assert (load.events[0], load.events[-1]) == ("creating the engine", "first token")
    assert load.seconds[-1] >= 0.5
    assert again.trace != TRACE
    failed = await collector.span("load broken")
    asked = await collector.span("chat broken")
    assert (failed.trace, failed.parent, failed.error) == (TRACE, asked.id, True)
    assert failed.attributes["error.type"] == "engine_start_failed"
    assert asked.error
    stop = await collector.span("stop quick")  # sent by a manager that was about to end
    assert stop.attributes["roundhouse.reason"] == "manager stops"
    assert (stop.parent, stop.trace != TRACE) == ("", True)


def test_the_proxy_tells_the_managers_figures_and_goes_on_without_them(tmp_path: Path) -> None:
    with running(stack_in(tmp_path)) as box:
        assert ask(box, "quick") == 200
        assert ask(box, "broken") == 503
        stack = box.of("quick")
        stack.unload()
        seen = scrape(box)
        transitions = "roundhouse_model_transition_seconds"
        assert seen.value(f"{transitions}_count", model="quick", transition="load", outcome="ok") == 1
        assert seen.value(f"{transitions}_sum", model="quick", transition="load") >= 0.5
        assert seen.value(f"{transitions}_count", model="broken", transition="load", outcome="failed") == 1
        assert seen.value("roundhouse_model_departures_total", model="quick", to="stop", reason="unloaded") == 1
        assert seen.value("roundhouse_device_memory_bytes", device="cpu", kind="total") > 2**30
        stack.load()
        stack.kill_engine()
        deaths = "roundhouse_engine_deaths_total"
        eventually(lambda: scrape(box).value(deaths, model="quick") == 1, "the death is counted", 20)
        box.end("manager")
        seen = scrape(box)
        assert seen.value("roundhouse_manager_up") == 0
        assert transitions not in seen.kinds
        assert seen.value("roundhouse_requests_total", model="quick", status="2xx") == 1


@pytest.mark.engine
async def test_a_real_engines_span_is_part_of_the_proxys(tmp_path: Path) -> None:
    def use(url: str) -> None:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with running(Stack("process", tmp_path, name="rhtrace", settings=settings)) as box:
            assert ask(box, "smollm2", traceparent=f"00-{TRACE}-{PARENT}-01") == 200

    async with FakeCollector() as collector:
        await asyncio.to_thread(use, collector.url)
        chat = await collector.span("chat smollm2")
        (engine,) = [span for span in collector.spans if span.parent == chat.id and span.service == "roundhouse-vllm"]
    assert engine.trace == TRACE
    assert engine.attributes["gen_ai.usage.completion_tokens"] == chat.attributes["gen_ai.usage.output_tokens"] == 3
