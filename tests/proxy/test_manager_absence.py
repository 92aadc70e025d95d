"""The manager dies and comes back; requests go on being served."""

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from proxy.settings import Settings
from tests.fakes.engine import FakeEngine
from tests.fakes.manager import TOKEN, FakeManager
from tests.proxy.world import MODELS, running, text_of, until, world

pytestmark = pytest.mark.anyio
FIVE = "token0 token1 token2 token3 token4 "


async def test_requests_are_served_while_the_manager_is_dead_and_the_lease_returns_with_it(tmp_path: Path) -> None:
    async with world(tmp_path, lease_linger=0.05) as w:
        stream = await w.stream(delay=0.05)
        await w.manager.server.stop()
        assert await w.chat() == FIVE
        assert await text_of(stream) == FIVE
        assert await w.chat() == FIVE
        assert [model.id for model in (await w.client.models.list()).data] == list(MODELS)
        await w.manager.server.start()
        lease = await w.manager.lease(1)
        assert lease.model == "small"
        assert await w.chat() == FIVE
        await lease.closed.wait()  # it lingers and closes as ever
        await until(lambda: w.manager.server.connections >= 3)


async def test_a_cold_model_waits_for_a_manager_that_comes_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.manager.server.stop()
        asked = asyncio.create_task(w.chat())
        await until(lambda: "waiting for the manager" in w.proxy.leases.progress("small", "nothing"))
        await w.manager.server.start()
        assert await asked == FIVE


async def test_a_cold_model_is_refused_when_the_manager_stays_away(tmp_path: Path) -> None:
    async with world(tmp_path, manager_absence=0.2) as w:
        await w.manager.server.stop()
        with pytest.raises(openai.InternalServerError) as raised:
            await w.chat()
        assert raised.value.status_code == 503
        assert raised.value.code == "manager_unavailable"
        assert isinstance(raised.value.body, dict)
        assert raised.value.body["origin"] == "manager"


async def test_a_manager_never_reached_is_waited_for_and_then_named(tmp_path: Path) -> None:
    values: dict[str, Any] = {"proxy_port": 0, "manager_url": "http://127.0.0.1:9", "manager_wait": 0.1}
    settings = Settings(**values, token_file=tmp_path / "token")
    async with running(settings) as (_, port):
        async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=0) as client:
            with pytest.raises(openai.InternalServerError) as raised:
                await client.models.list()
        assert raised.value.code == "manager_unavailable"
        assert "127.0.0.1" not in raised.value.message


async def test_a_proxy_that_starts_before_its_manager_serves_when_it_comes(tmp_path: Path) -> None:
    async with FakeEngine() as engine:
        manager = FakeManager(MODELS)
        await manager.server.start()
        await manager.server.stop()
        manager.endpoints["small"] = engine.url
        values: dict[str, Any] = {"proxy_port": 0, "manager_url": manager.url, "token_file": tmp_path / "token"}
        async with running(Settings(**values)) as (_, port):
            client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x")
            listing = asyncio.create_task(_ids(client))
            (tmp_path / "token").write_text(TOKEN)
            async with client, manager:
                assert await listing == list(MODELS)


async def _ids(client: openai.AsyncOpenAI) -> list[str]:
    return [model.id for model in (await client.models.list()).data]


async def test_a_wrong_token_is_told_as_an_absent_manager_and_never_shown(tmp_path: Path) -> None:
    async with world(tmp_path, manager_absence=0.1) as w:
        (tmp_path / "token").write_text("wrong-token")
        answer = await w.post("/v1/chat/completions", b'{"model":"small"}')
        assert answer.status == 503
        assert b"wrong-token" not in answer.body
        assert (await w.get("/admin/models")).status == 503
