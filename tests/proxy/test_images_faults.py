"""Pictures are dear: what failed after work is not repeated by the SDK, and who leaves stops the work."""

import asyncio
import time
from pathlib import Path

import openai
import pytest

from contract.lease import Drain, Failed
from tests.fakes.image_engine import ImageKnobs
from tests.fakes.pictures import png
from tests.proxy.image_world import EDIT, EDITS, FORM, GENERATIONS, ImageWorld, form, image_world
from tests.proxy.world import PATIENCE, until

pytestmark = pytest.mark.anyio
FAST = 1.0
SPENT = ("x-should-retry: false",)
JSON = "content-type: application/json"
MADE = b'{"model":"painter","prompt":"a cat","stream":%b,"progress":true}'


async def leave(w: ImageWorld, path: str, kind: str, body: bytes, *, after: bytes = b"") -> float:
    """Ask, leave once the engine has the request (and the answer begins with `after`) -> when."""
    reader, writer = await asyncio.open_connection("127.0.0.1", w.world.port)
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    async with asyncio.timeout(PATIENCE):
        await w.engine.seen.arrived.wait()
        if after:
            await reader.readuntil(after)
    writer.close()
    return time.monotonic()


async def assert_stopped(w: ImageWorld, left: float) -> None:
    async with asyncio.timeout(PATIENCE):
        await w.engine.seen.aborted.wait()
    assert w.engine.seen.aborts[0] - left < FAST
    await until(lambda: "0 in flight, 0 waiting" in repr(w.world.proxy.leases))
    await until(lambda: repr(w.world.proxy.traffic) == "<Traffic 0 in flight>")


async def test_who_leaves_while_a_picture_is_made_stops_the_engine(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(hang_before_head=True)) as w:
        await assert_stopped(w, await leave(w, GENERATIONS, JSON, MADE % b"false"))


async def test_who_leaves_in_the_middle_of_a_stream_stops_the_engine(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(hang_after=2)) as w:
        await assert_stopped(w, await leave(w, GENERATIONS, JSON, MADE % b"true", after=b'"step": 2'))


async def test_who_leaves_while_a_picture_is_edited_stops_the_engine(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(hang_before_head=True)) as w:
        await assert_stopped(w, await leave(w, EDITS, FORM, form(*EDIT)))


async def asked_often(w: ImageWorld) -> openai.APIError:
    """The SDK with its own retries -> the error that it ends with."""
    with pytest.raises(openai.APIError) as raised:
        await w.client.with_options(max_retries=2).images.edit(model="painter", prompt="a hat", image=png())
    return raised.value


@pytest.mark.parametrize(
    "knobs",
    [
        ImageKnobs(status=500, code="server_error"),
        ImageKnobs(status=504, code="late"),
        ImageKnobs(status=503, code="out_of_memory", headers=SPENT),
    ],
)
async def test_a_failure_of_the_engine_is_not_repeated_by_the_sdk(tmp_path: Path, knobs: ImageKnobs) -> None:
    async with image_world(tmp_path, knobs) as w:
        await asked_often(w)
        assert len(w.engine.asked) == 1


async def test_an_engine_that_could_not_do_this_one_tells_it_as_a_503_with_its_code(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(status=503, code="out_of_memory", headers=SPENT)) as w:
        with pytest.raises(openai.InternalServerError, match="fake failure") as raised:
            await w.client.images.generate(model="painter", prompt="a cat")
        assert (raised.value.status_code, raised.value.code) == (503, "out_of_memory")
        assert raised.value.response.headers["x-should-retry"] == "false"


async def test_an_engine_that_did_not_begin_says_when_to_come_back_and_the_sdk_does(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(status=503, code="overloaded", headers=("retry-after: 0",))) as w:
        await asked_often(w)
        assert len(w.engine.asked) == 3


async def test_a_death_at_work_is_not_repeated(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(die_after=0)) as w:
        answer = await w.world.post(GENERATIONS, MADE % b"true")
        assert answer.status == 502
        assert answer.headers["x-should-retry"] == "false"


async def test_a_picture_that_had_to_make_room_is_not_repeated(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(hang_before_head=True)) as w:
        asked = asyncio.create_task(w.world.post(GENERATIONS, MADE % b"false"))
        await w.engine.seen.arrived.wait()
        await (await w.world.manager.lease()).send(Drain(seconds=0.05))
        answer = await asked
        assert answer.status == 503
        assert b'"drained"' in answer.body
        assert answer.headers["x-should-retry"] == "false"


async def test_a_model_that_did_not_get_ready_may_be_asked_again(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        del w.world.manager.endpoints["painter"]
        asked = asyncio.create_task(w.world.post(GENERATIONS, MADE % b"false"))
        await (await w.world.manager.lease()).send(Failed(code="manager_stopping", reason="it stops"))
        answer = await asked
        assert answer.status == 503
        assert "x-should-retry" not in answer.headers


async def test_a_death_between_previews_is_an_error_event(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(die_after=1)) as w:
        stream = await w.client.images.generate(model="painter", prompt="a cat", stream=True, partial_images=2)
        kinds: list[str] = []
        with pytest.raises(openai.APIError, match="stopped before its answer was whole"):
            kinds.extend([event.type async for event in stream])


async def test_a_plain_picture_has_its_own_deadline(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(hang_before_head=True), image_answer=0.1) as w:
        with pytest.raises(openai.InternalServerError) as raised:
            await w.client.images.generate(model="painter", prompt="a cat")
        assert raised.value.status_code == 504
        assert raised.value.response.headers["x-should-retry"] == "false"


async def test_an_engine_that_says_that_it_lives_is_not_cut_off(tmp_path: Path) -> None:
    knobs = ImageKnobs(comments=15, delay=0.2)
    async with image_world(tmp_path, knobs, image_first_event=2.0, image_between_events=2.0) as w:
        stream = await w.client.images.generate(model="painter", prompt="a cat", stream=True)
        assert [event.type async for event in stream] == ["image_generation.completed"]


async def test_a_stream_of_pictures_says_that_it_waits_for_a_picture(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(hang_before_head=True), heartbeat_after=0.02) as w:
        await assert_stopped(
            w, await leave(w, GENERATIONS, JSON, MADE % b"true", after=b": waiting for the picture\n\n")
        )


async def test_an_engine_that_falls_silent_is_an_error_event(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(hang_after=1), image_between_events=0.1) as w:
        stream = await w.client.images.generate(model="painter", prompt="a cat", stream=True, partial_images=2)
        with pytest.raises(openai.APIError, match="silent for too long"):
            [event async for event in stream]


async def test_an_event_and_an_answer_over_their_bounds_are_cut(tmp_path: Path) -> None:
    bounds = {"image_event_size": 100_000, "image_answer_size": 100_000}
    async with image_world(tmp_path, ImageKnobs(padding=1_000_000), **bounds) as w:
        with pytest.raises(openai.InternalServerError, match="cannot be used"):
            await w.client.images.generate(model="painter", prompt="a cat")
        with pytest.raises(openai.APIError, match="cannot be used"):
            await w.client.images.generate(model="painter", prompt="a cat", stream=True)
