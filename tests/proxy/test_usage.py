"""What each key used of each model: as engines report it, and by events where a caller left before."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.keyed import BODY, Keyed, Made, keyed
from tests.proxy.test_rate_limits import leave_in_stream, leave_while_queued
from tests.proxy.world import HELLO

pytestmark = pytest.mark.anyio
STREAM = BODY[:-1] + b',"stream":true}'


async def used(k: Keyed, key: Made) -> tuple[int, int, int]:
    """Requests, prompt tokens and completion tokens of `small`."""
    found = [each for each in await k.usage(key) if each["model"] == "small"]
    return (found[0]["requests"], found[0]["prompt_tokens"], found[0]["completion_tokens"]) if found else (0, 0, 0)


def body_sent(k: Keyed) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(k.world.engine.seen.requests[-1].body)
    return sent


async def test_plain_answers_are_counted_as_the_engine_reports_them(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key, other = await k.make(), await k.make()
        await asyncio.gather(*(k.chat(key) for _ in range(3)))
        assert await used(k, key) == (3, 9, 15)
        assert await used(k, other) == (0, 0, 0)
        assert k.world.engine.seen.requests[-1].body == BODY


async def test_a_stream_is_counted_and_its_caller_sees_nothing_that_it_did_not_ask_for(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        counted = await k.chat(key, STREAM)
        assert body_sent(k)["stream_options"] == {"include_usage": True}
        plain = await k.world.post("/v1/chat/completions", STREAM, k.admin)  # nobody rewrites the key file's
        assert "stream_options" not in body_sent(k)
        assert counted.body == plain.body
        assert b'"usage"' not in counted.body
        assert await used(k, key) == (1, 3, 5)


async def test_who_asked_for_the_usage_gets_it_and_his_body_is_not_touched(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        body = STREAM[:-1] + b', "stream_options":  {"include_usage": true}}'
        answer = await k.chat(key, body)
        assert k.world.engine.seen.requests[-1].body == body
        assert b'"usage": {"prompt_tokens": 3' in answer.body
        stream = await k.sdk(key).chat.completions.create(
            model="small", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 5
        assert await used(k, key) == (2, 6, 10)


@pytest.mark.parametrize("options", [b"null", b"{}", b'{"include_usage":false}', b'{"include_usage":null,"more":1}'])
async def test_options_that_do_not_ask_are_completed_and_keep_the_rest(tmp_path: Path, options: bytes) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        answer = await k.chat(key, STREAM[:-1] + b',"stream_options":%b}' % options)
        assert body_sent(k)["stream_options"] == {**(json.loads(options) or {}), "include_usage": True}
        assert b'"usage"' not in answer.body
        assert await used(k, key) == (1, 3, 5)


@pytest.mark.parametrize("options", [b"5", b'"x"', b"[]", b'{"include_usage":"yes"}'])
async def test_options_that_make_no_sense_are_the_engines_to_judge(tmp_path: Path, options: bytes) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        body = STREAM[:-1] + b',"stream_options":%b,"fake":{"status":400}}' % options
        assert (await k.chat(key, body)).status == 400
        assert k.world.engine.seen.requests[-1].body == body


async def test_a_caller_that_leaves_pays_for_the_events_that_were_made(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        await leave_in_stream(k, key, b'"stream":true,"fake":{"tokens":50,"hang_after":7}', b"token6")
        requests, prompt, made = await used(k, key)
        assert (requests, made) == (1, 7)
        assert prompt > 0


async def test_a_plain_answer_that_was_left_costs_what_it_was_allowed(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        await leave_in_stream(k, key, b'"fake":{"hang_before_head":true}')
        requests, prompt, made = await used(k, key)
        assert (requests, made) == (1, 100)
        assert prompt > 0


async def test_a_caller_that_leaves_before_an_engine_has_its_request_pays_nothing(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={"tokens_per_minute": 1000})
        await leave_while_queued(k, key)
        assert (await k.world.get("/v1/models", key.header)).headers["x-ratelimit-remaining-tokens"] == "1000"


@pytest.mark.parametrize("status", [400, 500])
async def test_an_engines_refusal_costs_nothing(tmp_path: Path, status: int) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={"tokens_per_minute": 1000})
        await k.chat(key, BODY[:-1] + b',"fake":{"status":%d}}' % status)
        assert (await k.world.get("/v1/models", key.header)).headers["x-ratelimit-remaining-tokens"] == "1000"


async def test_what_came_before_an_engine_died_is_counted(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        for fake in (b'{"die_after":3}', b'{"error_after":3}'):
            answer = await k.chat(key, STREAM[:-1] + b',"fake":%b}' % fake)
            assert b"[DONE]" not in answer.body
        assert (await used(k, key))[2] == 6


async def test_several_answers_of_one_request_are_reserved_for(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={"tokens_per_minute": 10_000})
        asked = asyncio.create_task(
            k.chat(key, BODY[:-1] + b',"n":5,"max_tokens":1000,"fake":{"hang_before_head":true}}')
        )
        async with asyncio.timeout(10):
            await k.world.engine.seen.arrived.wait()
        answer = await k.world.get("/v1/models", key.header)
        assert int(answer.headers["x-ratelimit-remaining-tokens"]) < 5000
        asked.cancel()


async def test_an_engine_that_lies_about_its_usage_pays_nobody_back(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={"tokens_per_minute": 1000})
        for usage in (b'{"prompt_tokens":-5,"completion_tokens":-900}', b'"much"', b"[1]"):
            garbage = json.dumps(f'{{"choices":[],"usage":{usage.decode()}}}').encode()
            assert (await k.chat(key, BODY[:-1] + b',"fake":{"garbage":%b}}' % garbage)).status == 200
        assert await used(k, key) == (3, 0, 0)
        assert (await k.world.get("/v1/models", key.header)).headers["x-ratelimit-remaining-tokens"] == "1000"
