"""Limits on a real socket: exact under a rush, told in every answer, and no place lost however a caller leaves."""

import asyncio
import json
from pathlib import Path

import openai
import pytest

from contract.lease import Ready
from tests.proxy.keyed import BODY, CHAT, Keyed, Made, keyed
from tests.proxy.world import PATIENCE, until

pytestmark = pytest.mark.anyio

ONE_AT_A_TIME = {"concurrent_requests": 1}


async def rush(k: Keyed, key: Made, callers: int, body: bytes) -> list[int]:
    """All connections are open before the first byte of any request is sent -> the statuses."""
    links = [await asyncio.open_connection("127.0.0.1", k.world.port) for _ in range(callers)]
    request = request_of(key, body)
    for _, writer in links:
        writer.write(request)
    lines = await asyncio.gather(*(reader.readline() for reader, _ in links))
    for _, writer in links:
        writer.close()
    return [int(line.split()[1]) for line in lines]


def request_of(key: Made, body: bytes) -> bytes:
    lines = (f"POST {CHAT} HTTP/1.1", "host: localhost", key.header, "content-type: application/json")
    return "\r\n".join((*lines, f"content-length: {len(body)}", "", "")).encode() + body


async def test_of_a_hundred_at_once_a_minutes_ten_are_answered(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={"requests_per_minute": 10})
        statuses = await rush(k, key, 100, BODY)
        assert (statuses.count(200), statuses.count(429)) == (10, 90)
        assert len(k.world.engine.seen.requests) == 10


async def test_of_a_hundred_at_once_ten_may_run(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={"concurrent_requests": 10})
        statuses = await rush(k, key, 100, b'{"model":"small","stream":true,"fake":{"hang_after":1}}')
        assert (statuses.count(200), statuses.count(429)) == (10, 90)
        await until(lambda: len(k.world.engine.seen.aborts) == 10)
        assert (await k.chat(key)).status == 200


async def test_every_answer_to_a_limited_key_tells_what_is_left(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={"requests_per_minute": 3, "tokens_per_minute": 6000})
        answer = await k.chat(key)
        assert answer.headers["x-ratelimit-limit-requests"] == "3"
        assert answer.headers["x-ratelimit-remaining-requests"] == "2"
        assert answer.headers["x-ratelimit-reset-requests"].endswith("s")
        assert answer.headers["x-ratelimit-limit-tokens"] == "6000"
        bad = await k.chat(key, b'{"model":"nowhere"}')
        assert (bad.status, bad.headers["x-ratelimit-remaining-requests"]) == (404, "2")
        assert (await k.world.get("/v1/models", key.header)).headers["x-ratelimit-remaining-requests"] == "2"
        stream = await k.chat(key, BODY[:-1] + b',"stream":true}')
        assert stream.headers["x-ratelimit-remaining-requests"] == "1"
        await k.chat(key)
        refused = await k.chat(key)
        assert refused.status == 429
        assert json.loads(refused.body)["error"]["code"] == "rate_limit_exceeded"
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        assert "x-ratelimit-limit-requests" not in (await k.world.get("/v1/models", k.admin)).headers


async def test_the_sdk_knows_a_rate_limit_when_it_meets_one_and_waits_it_out(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={"requests_per_minute": 60})
        statuses = await rush(k, key, 60, BODY)
        assert statuses.count(200) == 60
        client = k.sdk(key)
        with pytest.raises(openai.RateLimitError):
            await asyncio.gather(*(client.chat.completions.create(model="small", messages=[]) for _ in range(9)))
        assert await client.with_options(max_retries=3).chat.completions.create(model="small", messages=[])


async def test_tokens_are_reserved_before_and_what_the_engine_reports_is_charged(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={"tokens_per_minute": 1000})
        answer = await k.chat(key, BODY[:-1] + b',"max_tokens":800}')
        assert 992 <= int((await k.world.get("/v1/models", key.header)).headers["x-ratelimit-remaining-tokens"]) <= 993
        assert int(answer.headers["x-ratelimit-remaining-tokens"]) <= 992
        statuses = await rush(k, key, 10, BODY[:-1] + b',"max_tokens":400,"stream":true,"fake":{"hang_after":1}}')
        assert statuses.count(200) == 2


async def test_a_users_keys_share_its_limits(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        one = await k.make(user="ann", user_limits={"requests_per_minute": 2})
        other = await k.make(user="ann")
        stranger = await k.make(user="bob")
        statuses = [(await k.chat(key)).status for key in (one, other, one, other, stranger)]
        assert statuses == [200, 200, 429, 429, 200]


async def leave_while_queued(k: Keyed, key: Made) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", k.world.port)
    writer.write(request_of(key, BODY.replace(b"small", b"large")))
    await until(lambda: "1 waiting" in repr(k.world.proxy.leases))
    writer.close()
    await until(lambda: "1 waiting" not in repr(k.world.proxy.leases))


async def leave_in_stream(k: Keyed, key: Made, fake: bytes, after: bytes = b"") -> None:
    """Once the engine has it, or once so much has come."""
    seen = k.world.engine.seen
    seen.arrived.clear()
    seen.aborted.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", k.world.port)
    writer.write(request_of(key, b'{"model":"small","max_tokens":100,%b}' % fake))
    async with asyncio.timeout(PATIENCE):
        await (reader.readuntil(after) if after else seen.arrived.wait())
        writer.close()
        await seen.aborted.wait()


async def test_a_place_is_free_again_after_a_caller_left_in_any_window(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={**ONE_AT_A_TIME, "tokens_per_minute": 10**9})
        for _ in range(50):
            await leave_while_queued(k, key)
            await leave_in_stream(k, key, b'"stream":true,"fake":{"hang_after":0}')
            await leave_in_stream(k, key, b'"stream":true,"fake":{"hang_after":2}', b"token1")
            await leave_in_stream(k, key, b'"fake":{"hang_before_head":true}')
        assert (await k.chat(key)).status == 200
        counted = {used["model"]: used["requests"] for used in await k.usage(key)}
        assert counted == {"small": 151, "large": 50}


async def test_a_failed_request_gives_its_place_back(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits=ONE_AT_A_TIME)
        for fake in (
            b'{"status":500}',
            b'{"status":400}',
            b'{"die_after":0}',
            b'{"garbage":"x"}',
            b'{"error_after":1}',
        ):
            for stream in (b"false", b"true"):
                answer = await k.chat(key, b'{"model":"small","stream":%b,"fake":%b}' % (stream, fake))
                assert answer.status != 429, fake
        assert (await k.chat(key)).status == 200


async def test_a_request_that_waited_for_its_model_holds_its_place_until_it_is_answered(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits=ONE_AT_A_TIME)
        asked = asyncio.create_task(k.chat(key, BODY.replace(b"small", b"large")))
        lease = await k.world.manager.lease()
        assert (await k.chat(key)).status == 429
        await lease.send(Ready(endpoint=k.world.engine.url))
        assert (await asked).status == 200
        assert (await k.chat(key)).status == 200
