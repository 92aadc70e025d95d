"""A long body is looked at in short steps, with the same result as a short one."""

import asyncio
import base64
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ApiError
from proxy.gateway.long_body import LONG, peek_long
from proxy.gateway.peek import DEPTH_LIMIT, peek
from proxy.gateway.peeked import Peeked
from tests.proxy.world import World, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"

TEXTS = st.text(st.sampled_from('aZ09+/=\\"{}[]:, \n\u00e9\u4e2d\U0001f600u0'), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**9) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def told(look: Peeked | ApiError) -> object:
    return look.code if isinstance(look, ApiError) else look.model, getattr(look, "stream", None)


def at_once(body: bytes) -> object:
    try:
        return told(peek(body))
    except ApiError as error:
        return told(error)


def in_steps(body: bytes, step: int) -> object:
    try:
        return told(asyncio.run(peek_long(body, step)))
    except ApiError as error:
        return told(error)


@given(st.dictionaries(TEXTS | st.just("model"), VALUES, max_size=5), st.booleans(), st.integers(8, 60))
def test_in_steps_the_same_is_read_as_at_once(members: dict[str, object], escaped: bool, step: int) -> None:
    body = json.dumps(members, ensure_ascii=escaped).encode()
    assert in_steps(body, step) == at_once(body)


@given(st.binary(max_size=60), st.integers(8, 20))
def test_in_steps_the_same_is_refused_as_at_once(noise: bytes, step: int) -> None:
    for body in (noise, b'{"a":"%b","model":"m"}' % noise):
        assert in_steps(body, step) == at_once(body)


@pytest.mark.parametrize("text", [rb"\u0000", rb"\\u0000", rb"\\\u0000", rb"\\\\u0000", b"\\\\" * 40, rb"\"" * 40])
def test_escapes_are_read_as_they_are_wherever_a_step_ends(text: bytes) -> None:
    for before in range(30):
        body = b'{"a":"%b%b","model":"m"}' % (b"x" * before, text)
        assert in_steps(body, 16) == at_once(body)


@pytest.mark.parametrize("depth", [DEPTH_LIMIT - 1, DEPTH_LIMIT])
def test_the_depth_is_bounded_across_steps(depth: int) -> None:
    body = b'{"a":%b%b,"b":"[[[["}' % (b"[" * depth, b"]" * depth)
    assert in_steps(body, 8) == at_once(body)
    assert (in_steps(body, 8) == ("invalid_json", None)) is (depth == DEPTH_LIMIT)


def test_what_is_left_out_of_a_name_makes_no_other_name_of_it() -> None:
    for cut in range(1, 12):
        body = b'{"pad":"%b","model%b":"other","stream":true}' % (b"x" * cut, b"A" * 40)
        assert in_steps(body, 8) == at_once(body) == (None, True)


async def test_no_step_of_a_long_picture_is_long() -> None:
    picture = base64.b64encode(bytes(range(256)) * 24_000)
    body = b'{"model":"m","messages":[{"image_url":{"url":"data:image/png;base64,%b"}}]}' % picture
    began = time.perf_counter()
    peek(body)
    at_once_seconds = time.perf_counter() - began
    looking = asyncio.create_task(peek_long(body))
    longest, last = 0.0, time.perf_counter()
    while not looking.done():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    assert (await looking).model == "m"
    assert longest < max(at_once_seconds, 0.05)


async def ask(w: World, content: str) -> int:
    body = json.dumps({"model": "small", "messages": [{"role": "user", "content": content}]}).encode()
    assert len(body) > LONG
    answer = await w.post(CHAT, body)
    if answer.status == 200:
        assert w.engine.seen.requests[-1].body == body
    return answer.status


async def test_a_long_body_passes_through_byte_for_byte_and_a_bad_one_is_a_400(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert await ask(w, '\u4e2d\U0001f600 text \\ " ' * 30_000) == 200
        assert await ask(w, "A" * 1_000_000) == 200
        assert await ask(w, "A" * 1_000_000 + "\0") == 400
