"""Engines that die, hang, or answer with nonsense."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from contract.lease import Failed, Ready
from tests.fakes.engine import FakeEngine
from tests.proxy.world import text_of, until, world

pytestmark = pytest.mark.anyio
FIVE = "token0 token1 token2 token3 token4 "


def origin_of(error: openai.APIError) -> str:
    return cast(Mapping[str, str], error.body)["origin"]


@pytest.mark.parametrize("inside", [False, True])
async def test_death_inside_a_stream_is_an_error_and_no_done(tmp_path: Path, inside: bool) -> None:
    async with world(tmp_path) as w:
        stream = await w.stream(die_after=2, die_inside_event=inside)
        texts: list[str | None] = []
        with pytest.raises(openai.APIError, match="stopped before its answer was whole") as raised:
            texts.extend([chunk.choices[0].delta.content async for chunk in stream])
        assert raised.value.code == "engine_error"
        assert origin_of(raised.value) == "engine"


@pytest.mark.parametrize("inside", [False, True])
async def test_what_came_before_a_death_is_passed_on_whole_and_done_never_follows(tmp_path: Path, inside: bool) -> None:
    fake = b'{"die_after":2,"die_inside_event":%b}' % (b"true" if inside else b"false")
    async with world(tmp_path) as w:
        answer = await w.post("/v1/chat/completions", b'{"model":"small","stream":true,"fake":%b}' % fake)
        assert answer.status == 200
        assert b"token1" in answer.body
        assert b"half" not in answer.body
        assert b"[DONE]" not in answer.body
        assert answer.body.count(b'data: {"error"') == 1
        assert answer.body.endswith(b"\n\n\r\n0\r\n\r\n")


async def test_a_death_names_the_cause_that_the_manager_knows(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        stream = await w.stream(tokens=2, hang_after=1)
        lease = await w.manager.lease()
        await w.engine.server.stop()
        await lease.send(Failed(code="engine_died", reason="it was killed by signal 9"))
        with pytest.raises(openai.APIError, match="killed by signal 9"):
            await text_of(stream)


@pytest.mark.parametrize("stream", [b"true", b"false"])
async def test_death_before_any_byte_is_a_502_that_may_be_sent_again(tmp_path: Path, stream: bytes) -> None:
    async with world(tmp_path) as w:
        body = b'{"model":"small","stream":%b,"fake":{"die_after":0}}' % stream
        answer = await w.post("/v1/chat/completions", body)
        assert answer.status == 502
        assert b"engine_error" in answer.body
        assert "x-should-retry" not in answer.headers
        assert len(w.engine.seen.requests) == 1


async def test_death_inside_a_plain_answer_is_a_clean_502(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(openai.InternalServerError) as raised:
            await w.chat(die_after=1)
        assert raised.value.status_code == 502
        assert raised.value.code == "engine_error"


async def test_after_a_death_the_next_request_is_answered_by_the_new_engine(tmp_path: Path) -> None:
    async with world(tmp_path) as w, FakeEngine() as heir:
        await w.chat()
        await w.engine.server.stop()
        w.manager.endpoints["small"] = heir.url
        lease = await w.manager.lease()
        asked = asyncio.create_task(w.chat())  # meets a closed port until the manager has noticed
        await lease.send(Failed(code="engine_died", reason="killed"))
        assert await asked == FIVE
        assert len(heir.seen.requests) == 1


async def test_a_request_that_no_engine_takes_is_refused_after_the_bound(tmp_path: Path) -> None:
    async with world(tmp_path, engine_gone=0.3) as w:
        await w.engine.server.stop()
        began = time.monotonic()
        answer = await w.post("/v1/chat/completions", b'{"model":"small"}')
        assert answer.status == 502
        assert time.monotonic() - began < 2.0
        assert b"127.0.0.1" not in answer.body


async def test_silence_before_the_first_token_is_a_504(tmp_path: Path) -> None:
    async with world(tmp_path, first_token=0.1) as w:
        with pytest.raises(openai.InternalServerError) as raised:
            await w.stream(hang_after=0)
        assert raised.value.status_code == 504
        assert raised.value.code == "engine_timeout"
        assert raised.value.response.headers["x-should-retry"] == "false"
        await w.engine.seen.aborted.wait()


async def test_comments_do_not_put_off_the_first_tokens_deadline(tmp_path: Path) -> None:
    async with world(tmp_path, first_token=0.3, heartbeat_after=0.02, heartbeat_every=0.02) as w:
        stream = await w.stream(hang_after=0)
        with pytest.raises(openai.APIError, match="silent for too long"):
            await text_of(stream)


async def test_silence_between_tokens_is_an_error_event(tmp_path: Path) -> None:
    async with world(tmp_path, between_tokens=0.1) as w:
        stream = await w.stream(hang_after=2)
        with pytest.raises(openai.APIError, match="silent for too long"):
            await text_of(stream)


async def test_a_plain_answer_has_a_deadline(tmp_path: Path) -> None:
    async with world(tmp_path, plain_answer=0.1) as w:
        with pytest.raises(openai.InternalServerError) as raised:
            await w.chat(hang_before_head=True)
        assert raised.value.status_code == 504


async def test_a_slow_stream_outlives_the_deadline_between_tokens(tmp_path: Path) -> None:
    async with world(tmp_path, between_tokens=0.3) as w:
        assert await text_of(await w.stream(delay=0.1)) == FIVE


@pytest.mark.parametrize(("status", "sdk_error"), [(400, openai.BadRequestError), (404, openai.NotFoundError)])
async def test_an_engines_refusal_keeps_its_status_and_takes_the_openai_shape(
    tmp_path: Path, status: int, sdk_error: type[openai.APIStatusError]
) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(sdk_error, match=f"fake failure {status}") as raised:
            await w.stream(status=status)
        error = cast(Mapping[str, Any], raised.value.body)
        assert error["origin"] == "engine"
        assert error["code"] is None
        assert error["type"] == ("invalid_request_error" if status == 400 else "not_found_error")


@pytest.mark.parametrize("stream", [b"true", b"false"])
async def test_an_engines_own_fault_is_a_502(tmp_path: Path, stream: bytes) -> None:
    async with world(tmp_path) as w:
        body = b'{"model":"small","stream":%b,"fake":{"status":500}}' % stream
        answer = await w.post("/v1/chat/completions", body)
        assert answer.status == 502
        assert b"fake failure 500" in answer.body


async def test_an_error_event_of_the_engine_ends_the_stream_without_done(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        body = b'{"model":"small","stream":true,"fake":{"error_after":2}}'
        answer = await w.post("/v1/chat/completions", body)
        assert b"token1" in answer.body
        assert b"fake failure 500" in answer.body
        assert b'"origin": "engine"' in answer.body
        assert b"[DONE]" not in answer.body


async def test_an_error_event_before_any_token_still_has_its_status(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        answer = await w.post("/v1/chat/completions", b'{"model":"small","stream":true,"fake":{"error_after":0}}')
        assert answer.status == 502


HTML = b'"content_type":"text/html","garbage":"<html>"'
GARBAGE = [
    b'"stream":true,"fake":{%b}' % HTML,
    b'"stream":false,"fake":{%b}' % HTML,
    b'"stream":false,"fake":{"garbage":"{not json"}',
    b'"stream":false,"fake":{"garbage":"{\\"a\\":\\"\\u00ff\\"}"}',
    b'"stream":true,"fake":{"content_type":"application/json"}',
    b'"stream":true,"fake":{"raw":"SSH-2.0-OpenSSH\\r\\n"}',
    b'"stream":false,"fake":{"raw":"HTTP/1.1 200 OK\\r\\ncontent-length: x\\r\\n\\r\\n"}',
    b'"stream":false,"fake":{"raw":"HTTP/1.1 101 Switching\\r\\nconnection: upgrade\\r\\nupgrade: x\\r\\n\\r\\n"}',
]


@pytest.mark.parametrize("fields", GARBAGE)
async def test_an_answer_that_cannot_be_used_is_a_502(tmp_path: Path, fields: bytes) -> None:
    async with world(tmp_path) as w:
        answer = await w.post("/v1/chat/completions", b'{"model":"small",%b}' % fields)
        assert answer.status == 502
        assert b"engine_error" in answer.body
        assert b"html>" not in answer.body
        assert answer.headers["x-should-retry"] == "false"


async def test_an_answer_larger_than_its_bound_is_a_502(tmp_path: Path) -> None:
    async with world(tmp_path, answer_size=1000) as w:
        with pytest.raises(openai.InternalServerError) as raised:
            await w.chat(tokens=500)
        assert raised.value.status_code == 502


async def test_what_comes_after_done_is_not_passed_on(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        body = b'{"model":"small","stream":true,"fake":{"after_done":"data: more\\n\\n","delay":0.01}}'
        answer = await w.post("/v1/chat/completions", body)
        assert b"[DONE]" in answer.body
        assert b"more" not in answer.body.partition(b"[DONE]")[2]


async def test_an_unfinished_event_without_end_is_bounded(tmp_path: Path) -> None:
    async with world(tmp_path, event_size=10_000) as w:
        with pytest.raises(openai.APIError, match="cannot be used"):
            await w.stream(tokens=100, garbage="data: " + "x" * 1000)


async def test_a_connection_that_the_engine_closed_while_idle_is_not_used_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.chat()
        port = w.engine.server.port
        await w.engine.server.stop()
        await w.engine.server.start()
        assert w.engine.server.port == port
        assert await w.chat() == FIVE


async def test_a_lease_that_moves_to_another_address_sends_the_next_request_there(tmp_path: Path) -> None:
    async with world(tmp_path) as w, FakeEngine() as other:
        await w.chat()
        await (await w.manager.lease()).send(Ready(endpoint=other.url))
        await until(lambda: str(other.server.port) in repr(w.proxy.leases))
        await w.chat()
        assert len(other.seen.requests) == 1
