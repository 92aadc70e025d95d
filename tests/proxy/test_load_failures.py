"""A model that could not be made ready: who waited is told why, and the SDK asks again only where that can help."""

import asyncio
from pathlib import Path

import openai
import pytest

from contract.lease import Failed
from tests.proxy.world import HELLO, text_of, until, world

pytestmark = pytest.mark.anyio
FIVE = "token0 token1 token2 token3 token4 "


async def test_a_failed_load_tells_every_waiting_caller_the_reason_and_the_log(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = [asyncio.create_task(w.chat("large")) for _ in range(3)]
        lease = await w.manager.lease()
        await until(lambda: "3 waiting" in repr(w.proxy.leases))
        failed = Failed(code="engine_start_failed", reason="out of memory", log_tail=("loading", "CUDA error"))
        await lease.send(failed)
        for error in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(error, openai.InternalServerError)
            assert error.status_code == 503
            assert error.code == "engine_start_failed"
            assert "out of memory" in error.message
            assert "CUDA error" in error.message
            assert error.response.headers["x-should-retry"] == "false"


async def test_a_failed_load_that_may_be_tried_later_says_when(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = asyncio.create_task(w.post("/v1/chat/completions", b'{"model":"large","stream":true}'))
        lease = await w.manager.lease()
        await lease.send(Failed(code="crash_loop", reason="it crashed 3 times", retry_after=30.0))
        answer = await asked
        assert answer.status == 503
        assert answer.headers["retry-after"] == "30"
        assert answer.headers["x-should-retry"] == "false", "the SDK's own retries would only start it again"
        assert b'"origin": "manager"' in answer.body


async def test_a_failure_that_passes_by_itself_is_left_to_the_sdks_own_retries(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = asyncio.create_task(w.post("/v1/chat/completions", b'{"model":"large","stream":true}'))
        lease = await w.manager.lease()
        await lease.send(Failed(code="manager_stopping", reason="the manager is stopping", retry_after=1.0))
        assert "x-should-retry" not in (await asked).headers


@pytest.mark.parametrize("code", ["engine_hung", "engine_wake_failed", "engine_sleep_failed", "overloaded"])
async def test_after_a_failure_that_passes_the_sdk_asks_again_and_is_answered(tmp_path: Path, code: str) -> None:
    async with world(tmp_path) as w:
        client = w.client.with_options(max_retries=1)
        asked = asyncio.create_task(client.chat.completions.create(model="large", messages=HELLO))
        lease = await w.manager.lease()
        w.manager.endpoints["large"] = w.engine.url
        await lease.send(Failed(code=code, reason="for now", retry_after=0.0))
        assert (await asked).choices[0].message.content == FIVE
        assert len(w.manager.leases) == 2


@pytest.mark.parametrize("code", ["insufficient_memory", "weights_changed", "model_removed", "out_of_memory", "new"])
async def test_a_failure_that_stays_is_not_met_again_by_the_sdk(tmp_path: Path, code: str) -> None:
    async with world(tmp_path) as w:
        client = w.client.with_options(max_retries=2)
        asked = asyncio.create_task(client.chat.completions.create(model="large", messages=HELLO))
        await (await w.manager.lease()).send(Failed(code=code, reason="as it is"))
        with pytest.raises(openai.APIStatusError) as raised:
            await asked
        assert raised.value.code == code
        assert raised.value.status_code == (404 if code == "model_removed" else 503)
        assert len(w.manager.leases) == 1


async def test_a_manager_that_has_too_many_leases_says_when_to_come_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = asyncio.create_task(w.post("/v1/chat/completions", b'{"model":"large"}'))
        await (await w.manager.lease()).send(Failed(code="overloaded", reason="1000 leases wait already"))
        answer = await asked
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert "x-should-retry" not in answer.headers


async def test_a_failure_after_the_comments_began_is_an_error_event_without_done(tmp_path: Path) -> None:
    async with world(tmp_path, heartbeat_after=0.02) as w:
        stream = await w.stream("large")
        await (await w.manager.lease()).send(Failed(code="engine_start_failed", reason="no such file"))
        with pytest.raises(openai.APIError, match="no such file"):
            await text_of(stream)


async def test_a_manager_that_refuses_a_lease_is_quoted(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.manager.refuse_lease = (404, b'{"error":{"message":"gone from the catalogue","code":"model_not_found"}}')
        with pytest.raises(openai.NotFoundError, match="gone from the catalogue") as raised:
            await w.chat("large")
        assert isinstance(raised.value.body, dict)
        assert raised.value.body["origin"] == "manager"


async def test_of_a_refused_lease_the_time_to_come_back_is_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        refusal = b'{"error":{"message":"too many wait","code":"overloaded"}}'
        w.manager.refuse_lease = (503, refusal, "application/json\r\nretry-after: 7\r\nx-should-retry: false")
        answer = await w.post("/v1/chat/completions", b'{"model":"large"}')
        assert (answer.status, answer.headers["retry-after"], answer.headers["x-should-retry"]) == (503, "7", "false")
