"""`keep_alive` and `ttl`: read, taken out of the body, and told to the manager."""

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.keep_fields import KEEP_FIELDS, has_keep_fields, without_keep_fields
from proxy.gateway.peek import peek
from tests.proxy.image_world import EDITS, FORM, GENERATIONS, form, image_world, part
from tests.proxy.test_peek import BODY, VALUE
from tests.proxy.world import HELLO, World, until, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
FIVE = "token0 token1 token2 token3 token4 "


async def chat(w: World, **fields: Any) -> str | None:  # noqa: ANN401
    """As users of Ollama and LM Studio send it with the SDK."""
    answer = await w.client.chat.completions.create(model="small", messages=HELLO, extra_body=fields)
    return answer.choices[0].message.content


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"keep_alive": "5m"}, 300.0),
        ({"keep_alive": 1.5}, 1.5),
        ({"keep_alive": -1}, None),
        ({"keep_alive": "-1"}, None),
        ({"keep_alive": "0"}, 0.0),
        ({"ttl": 600}, 600.0),
        ({"ttl": 600, "keep_alive": "10s"}, 10.0),
        ({"ttl": 600, "keep_alive": None}, 600.0),
    ],
)
async def test_it_reaches_the_manager_and_not_the_engine(
    tmp_path: Path, fields: dict[str, Any], seconds: float | None
) -> None:
    async with world(tmp_path) as w:
        assert await chat(w, **fields) == FIVE
        await until(lambda: w.manager.kept == [("small", seconds)])
        body = json.loads(w.engine.seen.requests[0].body)
        assert body == {"messages": HELLO, "model": "small"}


async def test_one_that_is_null_says_nothing_and_does_not_reach_the_engine(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.post(CHAT, b'{"model":"small","keep_alive":null,"ttl":null}')
        assert w.engine.seen.requests[0].body == b'{"model":"small"}'
        await chat(w, keep_alive="1m")
        await until(lambda: w.manager.kept == [("small", 60.0)])


async def test_a_text_completion_and_a_stream_may_say_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.client.completions.create(model="small", prompt="Hello", extra_body={"ttl": 60})
        await until(lambda: len(w.manager.kept) == 1)
        answer = await w.post(CHAT, b'{"model":"small","stream":true,"keep_alive":"2m"}')
        assert b"data: [DONE]" in answer.body
        await until(lambda: w.manager.kept == [("small", 60.0), ("small", 120.0)])


async def test_a_request_for_a_picture_may_say_it(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        await w.client.images.generate(model="painter", prompt="a cat", extra_body={"keep_alive": "1h"})
        await until(lambda: w.world.manager.kept == [("painter", 3600.0)])
        assert w.engine.asked[0].fields == {"model": "painter", "prompt": "a cat"}


async def test_a_form_passes_byte_for_byte_and_what_it_says_is_the_engines_to_judge(tmp_path: Path) -> None:
    body = form(part("model", b"painter"), part("keep_alive", b"5m"), part("prompt", b"a hat"))
    async with image_world(tmp_path) as w:
        await w.world.post(EDITS, body, FORM)
        assert w.engine.seen.requests[0].body == body
        assert w.world.manager.kept == []


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", GENERATIONS])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("keep_alive", value) for value in (b'"soon"', b'""', b"true", b"[]", b"1e11", b"1e999", b"9" * 400)),
        *(("ttl", value) for value in (b"0", b"-1", b"1.5", b'"5m"', b"{}", b"9" * 400)),
    ],
)
async def test_what_is_no_time_is_a_400_that_names_the_field(
    tmp_path: Path, path: str, field: str, value: bytes
) -> None:
    async with image_world(tmp_path) as w:
        answer = await w.world.post(path, b'{"prompt":"x","%b":%b}' % (field.encode(), value))
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["param"], error["type"]) == (400, field, "invalid_request_error")
        assert w.world.manager.leases == []


async def test_the_sdk_reads_a_wrong_one_as_a_bad_request(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(openai.BadRequestError, match="write seconds, or a duration") as raised:
            await chat(w, keep_alive="5 minutes")
        assert raised.value.param == "keep_alive"


async def test_the_same_is_told_once_and_another_is_told_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for keep in ("5m", 300, "300s", None, "10m", "5m"):
            await chat(w, keep_alive=keep)
        await until(lambda: [seconds for _, seconds in w.manager.kept] == [300.0, 600.0, 300.0])


async def test_a_manager_that_returns_is_told_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        stream = await w.client.chat.completions.create(
            model="small", messages=HELLO, stream=True, extra_body={"keep_alive": "5m", "fake": {"hang_after": 1}}
        )
        await until(lambda: len(w.manager.kept) == 1)
        await w.manager.server.stop()
        await w.manager.server.start()
        await until(lambda: w.manager.kept == [("small", 300.0)] * 2)
        await stream.close()


async def test_a_manager_that_refuses_it_costs_no_request_and_is_asked_again_by_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w:
        w.manager.refuse_keep = (500, b'{"error":{"message":"not now"}}')
        assert await chat(w, keep_alive="5m") == FIVE
        assert await chat(w, keep_alive="5m") == FIVE
        await until(lambda: "small is to be kept could not be told: not now" in caplog.text)
        w.manager.refuse_keep = None
        assert await chat(w, keep_alive="5m") == FIVE
        await until(lambda: w.manager.kept == [("small", 300.0)])
        assert caplog.text.count("could not be told") == 1


async def test_zero_closes_the_lease_with_its_last_request_once_the_manager_knows(tmp_path: Path) -> None:
    async with world(tmp_path, lease_linger=3600) as w:
        first = asyncio.create_task(chat(w, keep_alive=0))
        other = await w.stream(hang_after=1)
        assert await first == FIVE
        lease = await w.manager.lease()
        await until(lambda: w.manager.kept == [("small", 0.0)])
        assert "1 in flight" in repr(w.proxy.leases)
        assert not lease.closed.is_set()
        await other.close()
        await until(lease.closed.is_set)
        assert repr(w.proxy.leases) == "<Leases []>"
        assert await chat(w) == FIVE, "the next one opens a lease of its own"
        assert len(w.manager.leases) == 2


@given(BODY, st.dictionaries(st.sampled_from(KEEP_FIELDS), st.none() | st.integers(1, 9), min_size=1), VALUE)
def test_the_rest_of_the_body_is_the_same_and_so_are_inner_objects(
    body: dict[str, Any], keep: dict[str, Any], value: object
) -> None:
    inner = {"keep_alive": value, "ttl": value, "list": [{"ttl": 1}]}
    data = json.dumps({**body, **keep, "inner": inner}, ensure_ascii=False).encode()
    assert has_keep_fields(peek(data))
    assert json.loads(without_keep_fields(data)) == {**body, "inner": inner}


def test_values_keep_their_bytes_and_a_field_that_stands_twice_is_gone() -> None:
    inner = b'{ "ttl" : 1.0e2,\n "ttl":2, "text": "gr\\u00fc\xc3\x9fe" }'
    body = b'{"keep\\u005falive":1, "inner" : %b,"ttl":3,"keep_alive":null,"x":1.50,"ttl":4 }' % inner
    assert has_keep_fields(peek(body))
    assert without_keep_fields(body) == b'{"inner":%b,"x":1.50}' % inner


def test_a_body_that_has_them_only_inside_has_none() -> None:
    assert not has_keep_fields(peek(b'{"model":"m","options":{"keep_alive":"5m","ttl":1}}'))
