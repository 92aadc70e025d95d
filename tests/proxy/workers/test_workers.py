"""Two workers on one port: what they hold together, and how they live and die."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from contract.states import ModelState
from proxy.access.sources import BAD_KEYS_PER_MINUTE
from tests.fakes.wide_engine import WideEngine
from tests.harness.ports import free_port
from tests.proxy.keyed import ADMIN, BODY, CHAT
from tests.proxy.process import process, status_of
from tests.proxy.scraped import Scrape
from tests.proxy.workers.company import START, Company, company, request
from tests.proxy.world import HELLO

pytestmark = pytest.mark.anyio


async def rush(c: Company, key: str, callers: int, body: bytes) -> list[int]:
    """As many at each worker, all connected before the first byte is sent -> the statuses."""
    links = [await c.link(worker) for worker in c.workers() for _ in range(callers)]
    for _, writer in links:
        writer.write(request("POST", CHAT, body, key))
    async with asyncio.timeout(START):
        lines = await asyncio.gather(*(reader.readline() for reader, _ in links))
    for _, writer in links:
        writer.close()
    return [int(line.split()[1]) for line in lines]


async def test_limits_are_exact_over_both_workers(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        one, _ = c.workers()
        minute = (await c.make_key(one, limits={"requests_per_minute": 10}))["key"]
        statuses = await rush(c, minute, 30, BODY)
        assert (statuses.count(200), statuses.count(429)) == (10, 50)
        places = (await c.make_key(one, limits={"concurrent_requests": 10}))["key"]
        hanging = b'{"model":"small","stream":true,"fake":{"hang_after":1}}'
        statuses = await rush(c, places, 30, hanging)
        assert (statuses.count(200), statuses.count(429)) == (10, 50)
        await gone(c, 10)
        statuses = await rush(c, places, 30, hanging)
        assert (statuses.count(200), statuses.count(429)) == (10, 50), "all places came back"


async def gone(c: Company, callers: int) -> None:
    """So many callers have left, as the engine has seen."""
    async with asyncio.timeout(START):
        while len(c.engine.seen.aborts) < callers:
            await asyncio.sleep(0.01)


async def test_a_key_made_or_revoked_at_one_worker_is_so_at_the_other_at_once(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        one, other = c.workers()
        made = await c.make_key(one)
        assert await c.chat(other, made["key"]) == 200
        assert (await c.ask(other, "DELETE", f"/admin/keys/{made['id']}")).status == 200
        assert await c.chat(one, made["key"]) == 401


async def test_the_first_key_that_is_made_is_demanded_by_both_at_once(tmp_path: Path) -> None:
    async with company(tmp_path, key_file="") as c:
        one, other = c.workers()
        assert await c.chat(other, "whatever") == 200
        made = await c.make_key(one, admin=True)
        assert await c.chat(other, "whatever") == 401
        assert await c.chat(other, made["key"]) == 200


async def test_both_together_bear_no_more_bad_keys_of_one_source_than_one_would(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        tries = [await c.chat(worker, "wrong") for worker in c.workers() for _ in range(BAD_KEYS_PER_MINUTE // 2 + 2)]
        assert set(tries) == {401, 429}
        assert tries.count(401) <= BAD_KEYS_PER_MINUTE + 1


async def test_what_was_used_adds_up_and_is_told_whole_by_whoever_is_asked(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        one, other = c.workers()
        made = await c.make_key(one)
        for number in range(12):
            assert await c.chat(c.workers()[number % 2], made["key"]) == 200
        for worker in (one, other):
            listed = json.loads((await c.ask(worker, "GET", "/admin/keys")).body)["keys"]
            usage = next(info["usage"] for info in listed if info["id"] == made["id"])
            assert [used["requests"] for used in usage] == [12]


async def test_a_scrape_is_of_all_workers_whichever_answers(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        one, other = c.workers()
        for worker in (one, one, other):
            assert await c.chat(worker) == 200
        held = await c.stream(other, '{"hang_after":1}')
        for worker in (one, other):
            seen = Scrape.read(await c.scrape(worker))
            assert seen.value("roundhouse_requests_total", path=CHAT, status="2xx") == 3
            assert seen.value("gen_ai_client_operation_duration_seconds_count", path=CHAT) == 3
            assert seen.value("roundhouse_requests_in_flight") == 1
            assert seen.value("roundhouse_manager_up") == 1
            assert seen.value("process_resident_memory_bytes") > one.memory_info().rss
        held[1].close()


async def test_a_worker_that_is_killed_leaves_nothing_behind_and_another_takes_its_place(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        one, other = c.workers()
        key = (await c.make_key(one, limits={"concurrent_requests": 3}))["key"]
        lost = [await c.stream(one, '{"hang_after":1}', key) for _ in range(2)]
        kept = await c.stream(other, '{"tokens":40,"delay":0.05}', key)
        assert await c.chat(other, key) == 429
        before = Scrape.read(await c.scrape(other))
        one.kill()
        async with asyncio.timeout(START):
            for reader, writer in lost:
                assert b"[DONE]" not in await reader.read()
                writer.close()
            while await c.chat(other, key) != 200:
                await asyncio.sleep(0.02)
            assert b"token39" in await kept[0].readuntil(b"[DONE]")
        kept[1].close()
        again = await c.both()
        assert {each.pid for each in again} - {one.pid, other.pid}
        statuses = await rush(c, key, 5, b'{"model":"small","stream":true,"fake":{"hang_after":1}}')
        assert statuses.count(200) == 3
        after = Scrape.read(await c.scrape(again[1]))
        for sample, value in before.samples["roundhouse_requests_total"].items():
            assert after.samples["roundhouse_requests_total"][sample] >= value, "a count has shrunk"


async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the worker at the other end says that it is not ready."""
    writer.write(b"GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n")
    return (await reader.readuntil(b'ready"}')).startswith(b"HTTP/1.1 503")


async def test_sigterm_fails_readiness_at_both_lets_streams_of_the_sdk_finish_and_exits_with_0(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        url = f"http://127.0.0.1:{c.port}/v1"
        readiness = [await c.link(worker) for worker in c.workers()]
        async with AsyncOpenAI(base_url=url, api_key=ADMIN, max_retries=0) as client:
            fake = {"fake": {"tokens": 30, "delay": 0.1}}
            streams = [
                await client.chat.completions.create(model="small", messages=HELLO, stream=True, extra_body=fake)
                for _ in range(12)
            ]
            held = [await c.stream(worker, '{"hang_after":1}') for worker in c.workers()]
            c.process.send_signal(signal.SIGTERM)
            for (reader, writer), (_, holding) in zip(readiness, held, strict=True):
                async with asyncio.timeout(START):
                    while not await refuses(reader, writer):
                        await asyncio.sleep(0.01)
                writer.close()
                holding.close()
            for stream in streams:
                text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
                assert text.split() == [f"token{number}" for number in range(30)]
        async with asyncio.timeout(START):
            assert await c.process.wait() == 0
        assert await status_of(c.port, "/health") == 0


async def test_a_second_sigterm_ends_both_at_once(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        held = [await c.stream(worker, '{"hang_after":1}') for worker in c.workers()]
        c.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(START):
            while await status_of(c.port, "/ready") != 503:
                await asyncio.sleep(0.01)
            c.process.send_signal(signal.SIGTERM)
            for reader, writer in held:
                rest = await reader.read()
                assert b'"code": "draining"' in rest
                assert b"[DONE]" not in rest
                writer.close()
            assert await c.process.wait() == 0


async def test_workers_whose_parent_is_killed_finish_what_they_have_and_leave_the_port(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        orphans = c.workers()
        held = [await c.stream(worker, '{"tokens":20,"delay":0.1}') for worker in orphans]
        c.process.kill()
        async with asyncio.timeout(START):
            while await status_of(c.port, "/health") != 0:
                await asyncio.sleep(0.01)
            for reader, writer in held:
                assert b"token19" in await reader.readuntil(b"[DONE]")
                writer.close()
            while any(worker.is_running() for worker in orphans):
                await asyncio.sleep(0.05)


async def test_a_response_is_found_by_the_worker_that_did_not_make_it(tmp_path: Path) -> None:
    async with WideEngine() as engine, company(tmp_path) as c:
        one, other = c.workers()
        c.manager.endpoints["large"] = engine.url
        await c.manager.tell(c.manager.status("large", state=ModelState.READY))
        key = (await c.make_key(one))["key"]
        made = await c.ask(one, "POST", "/v1/responses", {"model": "large", "input": "a", "request_id": "r7"}, key)
        assert made.status == 200
        found = await c.ask(other, "GET", "/v1/responses/r7", key=key)
        assert (found.status, json.loads(found.body)["id"]) == (200, "r7")
        assert engine.requests[-1].target == "/v1/responses/r7"
        going_on = {"model": "large", "input": "b", "previous_response_id": "r7"}
        assert (await c.ask(other, "POST", "/v1/responses", going_on, key)).status == 200
        assert (await c.ask(other, "GET", "/v1/responses/r7")).status == 404, "it is another's"


async def test_each_worker_has_a_lease_of_its_own_under_the_name_of_their_host(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        for worker in c.workers():
            assert await c.chat(worker) == 200
        async with asyncio.timeout(START):
            leases = [await c.manager.lease(number) for number in range(2)]
        assert [lease.model for lease in leases] == ["small", "small"]
        assert len({lease.peer for lease in leases}) == 1


async def test_a_port_that_is_taken_is_told_and_nothing_starts(tmp_path: Path) -> None:
    async with company(tmp_path) as c:
        for workers in ("1", "2"):
            async with process(proxy_port=str(c.port), proxy_workers=workers) as refused:
                async with asyncio.timeout(START):
                    _, text = await refused.communicate()
            assert refused.returncode != 0
            assert b"ddress already in use" in text
            assert b"Traceback" not in text


async def test_where_no_worker_can_start_the_parent_says_so_and_ends(tmp_path: Path) -> None:
    where = {"proxy_port": str(free_port()), "proxy_workers": "2", "static_dir": str(tmp_path / "nowhere")}
    async with process(**where, manager_url="not-a-url") as refused:
        async with asyncio.timeout(START):
            _, text = await refused.communicate()
    assert refused.returncode == 1
    assert b"no worker could be started" in text


@pytest.mark.parametrize("workers", ["0", "65", "two"])
async def test_a_number_of_workers_out_of_range_is_named(workers: str) -> None:
    async with process(proxy_workers=workers) as refused:
        async with asyncio.timeout(START):
            _, text = await refused.communicate()
    assert refused.returncode == 2
    assert b"proxy_workers" in text


async def test_a_worker_that_hangs_is_ended_and_another_takes_its_place(tmp_path: Path) -> None:
    async with company(tmp_path, worker_patience="6") as c:
        hung, other = c.workers()
        reader, writer = await c.link(hung)
        hung.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(START):
            assert await reader.read() == b"", "its callers see the connection end, and can ask again"
        writer.close()
        again = await c.both()
        assert other.pid in {each.pid for each in again}, "the one that answers is left alone"
        assert hung.pid not in {each.pid for each in again}
        for worker in again:
            assert await c.chat(worker) == 200
        assert Scrape.read(await c.scrape(other)).value("roundhouse_worker_deaths_total") == 1
