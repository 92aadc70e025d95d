"""`GET /metrics` on a real socket."""

import asyncio
import time
from pathlib import Path

import pytest

from contract.lease import Queued, Ready
from contract.states import ModelState
from tests.proxy.scraped import Scrape
from tests.proxy.world import PATIENCE, World, until, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
KEY = "a-key-of-many-characters"


async def scrape(w: World, *headers: str) -> Scrape:
    answer = await w.get("/metrics", *headers)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Scrape.read(answer.body)


async def test_requests_are_counted_by_path_model_and_how_they_ended(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.chat("small")
        await w.chat("little")
        await w.post(CHAT, b'{"model":"small","fake":{"status":500}}')
        await w.post(CHAT, b"{")
        await w.get("/v1/models/small")
        seen = await scrape(w)
        total = "roundhouse_requests_total"
        assert seen.kinds[total] == "counter"
        assert seen.value(total, path=CHAT, model="small", status="2xx") == 2
        assert seen.value(total, path=CHAT, model="small", status="5xx") == 1
        assert seen.value(total, path=CHAT, model="", status="4xx") == 1
        assert seen.value(total, path="/v1/models/*", status="2xx") == 1


async def test_a_stream_that_broke_counts_as_failed_though_its_status_was_sent(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        answer = await w.post(CHAT, b'{"model":"small","stream":true,"fake":{"die_after":2}}')
        assert answer.status == 200
        assert (await scrape(w)).value("roundhouse_requests_total", model="small", status="5xx") == 1


async def test_no_label_comes_from_a_caller(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for path in ("/v1/canary", "/canary", "/v1/models/canary", "/static/canary.js", "/v1/models?canary"):
            await w.get(path, "x-request-id: canary", "user-agent: canary")
        await w.get("/health", method="CANARY")
        await w.post(CHAT, b'{"model":"canary","user":"canary"}')
        answer = await w.get("/metrics")
        assert b"canary" not in answer.body.lower()
        known = {"/health", "/metrics", "/ready", "/", "/static/*", "/v1/models", "/v1/models/*", CHAT, "other"}
        assert Scrape.read(answer.body).labels("path") <= known


async def test_who_waits_and_who_is_served_is_told_for_each_model_and_so_are_the_leases(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        stream = await w.stream(hang_after=1)
        waiting = [asyncio.create_task(w.chat("large")) for _ in range(3)]
        lease = await w.manager.lease(1)
        await lease.send(Queued(position=1))
        await until(lambda: "3 waiting" in repr(w.proxy.leases) and "queued" in repr(w.proxy.leases))
        seen = await scrape(w)
        assert seen.value("roundhouse_model_requests_in_flight", model="small") == 1
        assert seen.value("roundhouse_model_requests_waiting", model="large") == 3
        assert seen.value("roundhouse_lease_state", model="small", state="ready") == 1
        assert seen.value("roundhouse_lease_state", model="large", state="queued") == 1
        assert seen.value("roundhouse_requests_in_flight") == 4
        assert seen.value("roundhouse_upstream_connections", state="busy") >= 4  # engine, two leases, events
        await lease.send(Ready(endpoint=w.engine.url))
        await asyncio.gather(*waiting)
        await stream.close()
        await until(lambda: "0 in flight" in repr(w.proxy.traffic))
        seen = await scrape(w)
        assert seen.value("roundhouse_model_requests_waiting") == 0
        assert seen.value("roundhouse_requests_in_flight") == 0


async def test_loads_are_counted_as_the_manager_tells_them(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for state in (ModelState.STARTING, ModelState.READY, ModelState.STOPPING, ModelState.STOPPED):
            await w.manager.tell(w.manager.status("large", state=state))
        changes = "roundhouse_model_state_changes_total"
        async with asyncio.timeout(PATIENCE):
            while not (seen := await scrape(w)).value(changes, model="large", state="stopped"):
                await asyncio.sleep(0.01)
        assert seen.value("roundhouse_model_loads_total", model="large") == 1
        assert seen.value("roundhouse_model_loads_total", model="small") == 0
        assert seen.value(changes, model="large", state="stopping") == 1
        assert seen.value("roundhouse_model_state", model="large", state="stopped") == 1
        assert seen.value("roundhouse_model_state", model="large") == 1


FIGURES = b"""# HELP roundhouse_device_memory_bytes Memory of a device.
# TYPE roundhouse_device_memory_bytes gauge
roundhouse_device_memory_bytes{device="gpu0",name="H",kind="free"} 30
"""


async def test_what_the_manager_tells_of_itself_is_told_with_the_rest(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.manager.metrics = (200, FIGURES)
        await w.chat("small")
        seen = await scrape(w)
        assert seen.value("roundhouse_manager_up") == 1
        assert seen.value("roundhouse_device_memory_bytes", device="gpu0", kind="free") == 30
        assert seen.value("roundhouse_requests_total", model="small") == 1


@pytest.mark.parametrize("answer", [(500, FIGURES), (404, b"{}"), (200, FIGURES[:-4]), (200, b"")])
async def test_what_is_no_whole_answer_of_the_managers_is_not_told(answer: tuple[int, bytes], tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.manager.metrics = answer
        seen = await scrape(w)
        assert seen.value("roundhouse_manager_up") == 0
        assert "roundhouse_device_memory_bytes" not in seen.samples


async def test_without_the_manager_the_rest_is_told_all_the_same(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.manager.metrics = (200, FIGURES)
        await w.chat("small")
        await w.manager.server.stop()
        seen = await scrape(w)
        assert seen.value("roundhouse_manager_up") == 0
        assert seen.value("roundhouse_requests_total", model="small") == 1
        assert "roundhouse_device_memory_bytes" not in seen.samples


async def test_a_manager_that_does_not_answer_is_not_waited_for_longer_than_a_scrape_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.endpoints.metrics.MANAGER_SECONDS", 0.1)
    async with world(tmp_path) as w:
        w.manager.silent = True
        began = time.monotonic()
        assert (await scrape(w)).value("roundhouse_manager_up") == 0
        assert time.monotonic() - began < 5


async def test_where_a_key_is_set_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    async with world(tmp_path, key_file=file) as w:
        answer = await w.get("/metrics")
        assert answer.status == 401
        assert b"roundhouse_" not in answer.body
        assert (await scrape(w, f"authorization: Bearer {KEY}")).value("process_resident_memory_bytes") > 0


async def test_it_is_answered_to_the_end_of_a_drain(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        stream = await w.stream(hang_after=1)
        w.server.stop()
        assert (await w.get("/ready")).status == 503
        seen = await scrape(w)
        assert seen.value("roundhouse_draining") == 1
        assert seen.value("roundhouse_requests_in_flight") == 1
        await stream.close()
