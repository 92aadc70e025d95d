"""The manager tells another catalogue in the middle of its event stream."""

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from contract.lease import Drain, Ready
from tests.proxy.world import MODELS, World, text_of, until, world

pytestmark = pytest.mark.anyio
FIVE = "token0 token1 token2 token3 token4 "


async def listed(w: World) -> list[str]:
    return [model.id for model in (await w.client.models.list()).data]


async def change(w: World, models: dict[str, dict[str, Any]]) -> None:
    """Until the proxy knows the other catalogue."""
    await w.manager.change_catalogue(models)
    await until(
        lambda: w.proxy.feed.directory is not None and set(w.proxy.feed.directory.catalogue.models) == {*models}
    )


async def test_a_model_that_was_added_is_listed_and_served_without_a_new_stream(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.manager.endpoints["new"] = w.engine.url
        streams = w.manager.server.connections
        await change(w, MODELS | {"new": {"type": "text", "aliases": ["fresh"]}})
        assert await listed(w) == [*MODELS, "new"]
        assert w.manager.server.connections == streams
        assert await w.chat("new") == await w.chat("fresh") == FIVE


async def test_a_model_that_was_removed_is_not_found_at_once_though_its_lease_is_still_open(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert await w.chat("small") == FIVE
        await change(w, {"large": MODELS["large"]})
        assert not (await w.manager.lease()).closed.is_set()
        for name in ("small", "little"):
            with pytest.raises(openai.NotFoundError) as refused:
                await w.chat(name)
            assert refused.value.code == "model_not_found"
        assert (await w.get("/v1/models/small")).status == 404
        assert (await w.get("/admin/models/small")).status == 404
        assert await listed(w) == ["large"]


async def test_a_stream_of_a_removed_model_is_finished(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        stream = await w.stream(tokens=4, delay=0.05)
        lease = await w.manager.lease()
        await change(w, {"large": MODELS["large"]})
        await lease.send(Drain(seconds=30.0))
        assert await text_of(stream) == "token0 token1 token2 token3 "
        await lease.closed.wait()


async def test_who_waits_for_a_model_that_is_removed_is_told_that_it_is_gone(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = asyncio.create_task(w.chat("large"))
        lease = await w.manager.lease()
        await change(w, {"small": MODELS["small"]})
        w.manager.refuse_lease = (404, b'{"error":{"message":"gone from the catalogue","code":"model_not_found"}}')
        await lease.send(Drain(seconds=30.0))
        with pytest.raises(openai.NotFoundError, match="gone from the catalogue"):
            await asked


async def test_late_news_of_a_removed_model_does_not_bring_it_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        late = w.manager.status("small", state="draining")
        await change(w, {"large": MODELS["large"]})
        await w.manager.tell(late)
        await w.manager.tell(w.manager.status("large", state="ready"))
        await until(lambda: "ready" in repr(w.proxy.feed.directory))
        assert await listed(w) == ["large"]
        assert (await w.get("/v1/models/small")).status == 404


async def test_another_default_and_another_alias_are_followed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await change(w, MODELS | {"small": {"type": "text"}, "new": {"type": "text", "default_for": ["text"]}})
        asked = asyncio.create_task(w.post("/v1/chat/completions", b'{"messages":[{"role":"user","content":"hi"}]}'))
        lease = await w.manager.lease()
        assert lease.model == "new"
        await lease.send(Ready(endpoint=w.engine.url))
        assert (await asked).status == 200
        with pytest.raises(openai.NotFoundError):
            await w.chat("little")


async def test_a_model_that_was_removed_and_put_back_is_served_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await change(w, {"large": MODELS["large"]})
        with pytest.raises(openai.NotFoundError):
            await w.chat("small")
        await change(w, MODELS)
        assert await w.chat("small") == FIVE
        assert await listed(w) == list(MODELS)


async def test_a_catalogue_that_the_proxy_cannot_read_leaves_the_last_one(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        streams = w.manager.server.connections
        await w.manager.say(b'event: catalogue\ndata: {"odd": {"type": "steam"}}\n\n')
        await until(lambda: w.manager.server.connections > streams)
        assert await listed(w) == list(MODELS)
        assert await w.chat("small") == FIVE
