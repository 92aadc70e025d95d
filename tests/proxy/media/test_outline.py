"""A body without its base64, and how it is put together again."""

import asyncio
import base64
import json
import os
from time import thread_time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.media.outline import STEP, Outline

pytestmark = pytest.mark.anyio

LONG = base64.b64encode(os.urandom(4 * STEP)).decode()


async def outline_of(document: object) -> tuple[bytes, Outline]:
    body = json.dumps(document).encode()
    return body, await Outline.of(body)


async def test_a_long_picture_is_left_out_and_comes_back_byte_for_byte() -> None:
    body, outline = await outline_of({"a": "data:image/png;base64," + LONG, "b": LONG[5:]})
    assert len(outline.text) < 5 * STEP < len(body)
    assert await outline.fill(msgspec.json.encode(msgspec.json.decode(outline.text))) == body.replace(
        b'": ', b'":'
    ).replace(b', "', b',"')


async def test_the_pieces_of_a_string_are_what_it_was() -> None:
    _, outline = await outline_of({"url": "x," + LONG})
    url = msgspec.json.decode(outline.text)["url"]
    assert len(url) < len(LONG)
    assert b"".join(outline.pieces(url)).decode() == "x," + LONG


async def test_what_was_made_anew_takes_the_place_of_what_was_there() -> None:
    _, outline = await outline_of({"url": LONG, "kept": LONG})
    members = msgspec.json.decode(outline.text)
    members["url"] = outline.stand_for((b"ab", memoryview(b"cd")))
    assert json.loads(await outline.fill(msgspec.json.encode(members))) == {"url": "abcd", "kept": LONG}


async def test_a_short_body_is_its_own_outline() -> None:
    body, outline = await outline_of({"url": LONG[:1000]})
    assert outline.text == body


async def test_digits_that_may_be_a_number_stay() -> None:
    body = b"[%b]" % (b"1" * 3 * STEP)
    assert (await Outline.of(body)).text == body


@pytest.mark.parametrize("escape", ["\\u0041", "\\n", "\\ud83d\\ude00", "\\\\"])
async def test_an_escape_that_a_step_cuts_in_two_stays_whole(escape: str) -> None:
    for offset in range(len(escape) + 1):
        text = "x" * (STEP - offset - 2) + escape + LONG
        body = f'["{text}"]'.encode()
        outline = await Outline.of(body)
        assert len(outline.text) < len(body)
        anew = msgspec.json.encode(msgspec.json.decode(outline.text))
        assert json.loads(await outline.fill(anew)) == json.loads(body)


@given(st.lists(st.tuples(st.text(max_size=20), st.integers(0, 3 * STEP)), max_size=4))
def test_any_texts_between_come_back(parts: list[tuple[str, int]]) -> None:
    async def go() -> None:
        body, outline = await outline_of([text + "A" * size for text, size in parts])
        assert await outline.fill(outline.text) == body

    asyncio.run(go())


async def test_no_step_of_it_is_longer_than_a_stream_would_notice() -> None:
    body, longest, began = json.dumps(["a," + LONG * 30]).encode(), 0.0, 0.0
    work = asyncio.ensure_future(Outline.of(body))
    while not work.done():
        began = thread_time()
        await asyncio.sleep(0)
        longest = max(longest, thread_time() - began)
    assert len(work.result().text) < 3 * STEP
    assert longest < 0.01
