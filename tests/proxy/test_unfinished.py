"""Responses in the background: who pays for them, what they hold meanwhile, and how they end."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contract.states import ModelState
from tests.fakes.wide_engine import WideEngine
from tests.proxy.keyed import Keyed, Made, keyed
from tests.proxy.scraped import Scrape
from tests.proxy.world import World, until, world

pytestmark = pytest.mark.anyio
PATH = "/v1/responses"
REPORTED = {"input_tokens": 11, "output_tokens": 31, "total_tokens": 42}
MOST = 40  # tokens of an answer that the requests allow


@dataclass
class Bench:
    """A world with keys, whose model remembers its responses and is ready."""

    k: Keyed
    engine: WideEngine

    async def begin(self, key: Made, name: str = "r1", **fields: Any) -> int:  # noqa: ANN401
        wish = {"model": "small", "input": "a", "request_id": name, "background": True, "max_output_tokens": MOST}
        return (await self.k.world.post(PATH, json.dumps(wish | fields).encode(), key.header)).status

    async def used(self, key: Made) -> list[tuple[int, int, int]]:
        """Requests, tokens of prompts and of answers."""
        usage = await self.k.usage(key)
        return [(each["requests"], each["prompt_tokens"], each["completion_tokens"]) for each in usage]

    async def over(self) -> None:
        unfinished = self.k.world.proxy.unfinished
        await until(lambda: len(unfinished) == 0)


async def make_ready(w: World, engine: WideEngine) -> None:
    w.manager.endpoints["small"] = engine.url
    await w.manager.tell(w.manager.status("small", state=ModelState.READY))
    feed = w.proxy.feed
    await until(lambda: feed.directory is not None and feed.directory.statuses["small"].state is ModelState.READY)


@asynccontextmanager
async def bench(folder: Path, **settings: Any) -> AsyncIterator[Bench]:  # noqa: ANN401
    async with WideEngine() as engine, keyed(folder, **settings) as k:
        await make_ready(k.world, engine)
        yield Bench(k, engine)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_in_the_background_is_paid_for_when_it_is_done(tmp_path: Path, stream: bool) -> None:
    async with bench(tmp_path) as b:
        key, other = await b.k.make(), await b.k.make()
        assert await b.begin(key, stream=stream) == 200
        assert await b.used(key) == [], "it is not over"
        b.engine.finish("r1", usage=REPORTED)
        await b.over()
        assert await b.used(key) == [(1, 11, 31)]
        again = await b.k.world.get(f"{PATH}/r1", key.header)
        assert json.loads(again.body)["usage"] == REPORTED
        assert [await b.used(each) for each in (key, other)] == [[(2, 11, 31)], []]


async def test_the_metrics_count_its_tokens_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert await b.begin(await b.k.make()) == 200
        b.engine.finish("r1", usage=REPORTED)
        await b.over()
        seen = Scrape.read((await b.k.ask("GET", "/metrics")).body)
        assert seen.value("gen_ai_client_token_usage_sum", path=PATH) == 42
        assert seen.value("gen_ai_client_operation_duration_seconds_count", path=PATH) == 1


async def test_it_keeps_its_place_among_the_concurrent_and_its_tokens_until_it_is_done(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        key = await b.k.make(limits={"concurrent_requests": 1, "tokens_per_minute": 200})
        assert await b.begin(key) == 200
        assert await b.begin(key, "r2") == 429
        b.engine.finish("r1", usage=REPORTED)
        await b.over()
        answer = await b.k.world.post(PATH, b'{"model":"small","input":"a","max_output_tokens":1}', key.header)
        assert answer.status == 200
        left = int(answer.headers["x-ratelimit-remaining-tokens"])
        assert 100 < left <= 158, "of the first, 42 were taken"


async def test_a_question_for_it_that_is_refused_holds_no_place(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        key = await b.k.make(limits={"concurrent_requests": 2})
        assert await b.begin(key) == 200
        for query in ("stream=true", "stream=true&starting_after=x", "stream=maybe"):
            assert (await b.k.world.get(f"{PATH}/r1?{query}", key.header)).status == 400
        assert (await b.k.world.get(f"{PATH}/r1", key.header)).status == 200
        b.engine.finish("r1")
        await b.over()


async def test_its_model_is_in_use_until_it_is_done(tmp_path: Path) -> None:
    async with bench(tmp_path, lease_linger=0.01) as b:
        assert await b.begin(await b.k.make()) == 200
        leases = b.k.world.proxy.leases
        (lease,) = leases
        await until(lambda: sum(each.method == "GET" for each in b.engine.requests) > 1)
        assert list(leases) == [lease]
        assert lease.load.in_flight == 1
        b.engine.finish("r1")
        await until(lambda: not list(leases))


async def test_one_that_is_called_off_costs_what_it_was_allowed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        key = await b.k.make()
        assert await b.begin(key) == 200
        assert (await b.k.world.post(f"{PATH}/r1/cancel", b"", key.header)).status == 200
        await b.over()
        (used,) = await b.used(key)
        assert used[2] == MOST


async def test_one_that_takes_longer_than_an_answer_may_is_called_off(tmp_path: Path) -> None:
    async with bench(tmp_path, plain_answer=0.4) as b:
        key = await b.k.make()
        assert await b.begin(key) == 200
        await b.over()
        assert b.engine.background["r1"]["status"] == "cancelled"
        assert [used[2] for used in await b.used(key)] == [MOST]


async def test_one_whose_engine_is_gone_costs_what_it_was_allowed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        key = await b.k.make(limits={"concurrent_requests": 1})
        assert await b.begin(key) == 200
        b.engine.failing = True
        await b.over()
        assert [used[2] for used in await b.used(key)] == [MOST]
        b.engine.failing = False
        assert await b.begin(key, "r2") == 200, "its place came back"


async def test_what_is_under_way_when_the_proxy_stops_is_paid_for_as_expected(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        key = await b.k.make()
        assert await b.begin(key) == 200
    async with bench(tmp_path) as b:
        assert [(used[0], used[2]) for used in await b.used(key)] == [(1, MOST)]


async def test_without_keys_it_is_followed_and_nobody_pays(tmp_path: Path) -> None:
    async with WideEngine() as engine, world(tmp_path) as w:
        await make_ready(w, engine)
        body = b'{"model":"small","input":"a","background":true}'
        assert (await w.post(PATH, body)).status == 200
        assert len(w.proxy.unfinished) == 1
        engine.finish("resp_1", usage=REPORTED)
        await until(lambda: len(w.proxy.unfinished) == 0)
