"""`x-roundhouse-wait`: a request says how long it would wait for its model."""

import asyncio
import json
import time
from pathlib import Path

import openai
import pytest

from contract.lease import Queued, Ready, Starting
from tests.proxy.image_world import EDIT, EDITS, FORM, form, image_world
from tests.proxy.world import HELLO, World, until, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
LARGE = b'{"model":"large"}'
AT_ONCE = 0.1


async def begin_to_load(w: World) -> asyncio.Task[object]:
    """Somebody waits for the large model, which the manager is starting."""
    waiting: asyncio.Task[object] = asyncio.create_task(w.chat("large"))
    await (await w.manager.lease()).send(Starting(phase="loading", seconds=12.0, usual_seconds=40.0))
    await until(lambda: "loading" in w.proxy.leases.progress("large", "nothing"))
    return waiting


async def test_who_does_not_wait_for_a_model_that_loads_is_told_at_once_when_to_come_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        waiting = await begin_to_load(w)
        began = time.monotonic()
        answer = await w.post(CHAT, LARGE, "x-roundhouse-wait: 0")
        assert time.monotonic() - began < AT_ONCE
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["code"]) == (503, "engine_loading")
        assert "loading, 12 of about 40 s" in error["message"]
        assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("28", "false")
        await (await w.manager.lease()).send(Ready(endpoint=w.engine.url))
        assert await waiting


async def test_who_does_not_wait_for_a_cold_model_has_begun_its_load(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = asyncio.create_task(w.post(CHAT, LARGE, "x-roundhouse-wait: 0"))
        lease = await w.manager.lease()
        await lease.send(Queued(position=1, reason="'small' has to make room"))
        answer = await asked
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
        assert b"queued: position 1, 'small' has to make room" in answer.body
        assert not lease.closed.is_set()


async def test_a_stream_that_does_not_wait_is_a_503_and_no_stream(tmp_path: Path) -> None:
    async with world(tmp_path, heartbeat_after=0.2) as w:
        waiting = await begin_to_load(w)
        with pytest.raises(openai.InternalServerError) as raised:
            await w.client.with_options(max_retries=2).chat.completions.create(
                model="large", messages=HELLO, stream=True, extra_headers={"x-roundhouse-wait": "0"}
            )
        assert (raised.value.status_code, raised.value.code) == (503, "engine_loading")
        waiting.cancel()


async def test_a_ready_model_answers_as_always_also_when_it_was_never_asked_before(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for _ in range(2):
            assert (await w.post(CHAT, b'{"model":"small"}', "x-roundhouse-wait: 0")).status == 200


async def test_a_form_may_say_it_too(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        assert (await w.world.post(EDITS, form(*EDIT), FORM, "x-roundhouse-wait: 0")).status == 200
        answer = await w.world.post(EDITS, form(*EDIT), FORM, "x-roundhouse-wait: soon")
        assert answer.status == 400


async def test_a_fraction_of_a_second_is_waited(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        waiting = await begin_to_load(w)
        began = time.monotonic()
        answer = await w.post(CHAT, LARGE, "x-roundhouse-wait: 0.25")
        assert time.monotonic() - began >= 0.24
        assert b"was not ready within 0.25 seconds" in answer.body
        assert answer.headers["x-should-retry"] == "false"
        waiting.cancel()


async def test_a_model_that_is_ready_within_it_answers(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = asyncio.create_task(w.post(CHAT, LARGE, "x-roundhouse-wait: 60"))
        await (await w.manager.lease()).send(Ready(endpoint=w.engine.url))
        assert (await asked).status == 200


async def test_more_than_the_setting_is_cut_to_it(tmp_path: Path) -> None:
    async with world(tmp_path, model_wait=0.1) as w:
        waiting = asyncio.create_task(w.post(CHAT, LARGE))
        await (await w.manager.lease()).send(Queued(position=1))
        answer = await w.post(CHAT, LARGE, "x-roundhouse-wait: 999999999")
        assert b"was not ready within 0.1 seconds" in answer.body
        assert "x-should-retry" not in (await waiting).headers, "who says nothing is left to the SDK's own retries"


@pytest.mark.parametrize("value", ["", "-1", "soon", "1e3", "nan", "inf", "0x1", "1,5", "1 s", ".5", "9" * 40])
async def test_what_is_no_number_of_seconds_is_a_400(tmp_path: Path, value: str) -> None:
    async with world(tmp_path) as w:
        answer = await w.post(CHAT, b'{"model":"small"}', f"x-roundhouse-wait: {value}")
        assert answer.status == 400
        assert json.loads(answer.body)["error"]["param"] == "x-roundhouse-wait"
        assert w.manager.leases == []
