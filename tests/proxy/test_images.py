"""Pictures with the real OpenAI SDK: made, edited, varied, streamed; and who may not."""

import base64
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types import ImagesResponse

from tests.fakes.image_engine import ImageKnobs
from tests.fakes.pictures import BLUE, png
from tests.proxy.image_world import EDITS, GENERATIONS, image_world
from tests.proxy.world import HELLO

pytestmark = pytest.mark.anyio


async def test_a_picture_is_made(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        answer = await w.client.images.generate(
            model="painter", prompt="a cat", n=2, size="512x512", extra_body={"seed": 5, "num_inference_steps": 3}
        )
        assert answer.data is not None
        assert [base64.b64decode(each.b64_json or "") for each in answer.data] == [png(), png()]
        assert [(each.model_extra or {})["seed"] for each in answer.data] == [7, 8]
        (asked,) = w.engine.asked
        assert asked.path == GENERATIONS
        wanted = {"model": "painter", "prompt": "a cat", "n": 2, "size": "512x512", "seed": 5, "num_inference_steps": 3}
        assert asked.fields == wanted


async def test_a_picture_is_edited_with_its_mask_and_the_bytes_pass_untouched(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        answer = await w.client.images.edit(
            model="brush", prompt="grün", image=("cat.png", png()), mask=png(colour=BLUE), extra_body={"strength": 0.5}
        )
        assert answer.data is not None
        (asked,) = w.engine.asked
        assert asked.path == EDITS
        assert asked.fields == {"model": "brush", "prompt": "grün", "strength": "0.5"}
        assert asked.files == [("image", "cat.png", png()), ("mask", "upload", png(colour=BLUE))]


async def test_several_pictures_are_edited_together(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        await w.client.images.edit(model="painter", prompt="both", image=[png(), png(colour=BLUE)])
        names = [(name, data) for name, _, data in w.engine.asked[0].files]
        assert names == [("image[]", png()), ("image[]", png(colour=BLUE))]


async def test_a_picture_is_varied(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        answer = await vary(w.client, png(), n=2)
        assert len(answer.data or []) == 2
        assert w.engine.asked[0].fields == {"n": "2"}


async def vary(client: openai.AsyncOpenAI, image: bytes, **fields: Any) -> ImagesResponse:  # noqa: ANN401
    """The SDK calls the method deprecated: OpenAI's own models no longer serve it."""
    with pytest.warns(DeprecationWarning, match="deprecated"):
        return await client.images.create_variation(image=image, **fields)


async def test_a_request_that_names_no_model_gets_the_default_of_its_type(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        await w.client.images.generate(prompt="a cat")
        await w.client.images.edit(prompt="a hat", image=png())
        assert [lease.model for lease in w.world.manager.leases] == ["painter"]


async def test_a_stream_brings_previews_and_then_the_picture(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        stream = await w.client.images.generate(model="painter", prompt="a cat", stream=True, partial_images=2)
        events = [event async for event in stream]
        assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + [
            "image_generation.completed"
        ]
        assert base64.b64decode(events[-1].b64_json) == png()
        assert (events[-1].model_extra or {})["seed"] == 7


async def test_an_edits_stream_brings_previews_and_then_the_picture(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        stream = await w.client.images.edit(model="painter", prompt="a hat", image=png(), stream=True, partial_images=1)
        events = [event async for event in stream]
        assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]


async def test_steps_are_told_to_who_asks(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        body = b'{"model":"painter","prompt":"a cat","stream":true,"progress":true}'
        answer = await w.world.post(GENERATIONS, body)
        assert b'event: image_generation.progress\ndata: {"type": "image_generation.progress", "step": 1' in answer.body


async def test_pictures_of_many_megabytes_pass_plain_and_streamed(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(padding=12_000_000)) as w:
        plain = await w.client.images.generate(model="painter", prompt="a cat", n=4)
        assert {len(each.b64_json or "") > 16_000_000 for each in plain.data or []} == {True}
        stream = await w.client.images.generate(model="painter", prompt="a cat", stream=True, partial_images=1)
        assert [len(event.b64_json) > 16_000_000 async for event in stream] == [True, True]


async def test_an_image_model_that_is_asked_to_chat_names_its_endpoints_and_who_would_serve(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        with pytest.raises(openai.BadRequestError, match="'painter' is of type image, edit") as raised:
            await w.client.chat.completions.create(model="painter", messages=HELLO)
        assert "It serves: /v1/images/generations, /v1/images/edits, /v1/images/variations." in raised.value.message
        assert "/v1/chat/completions is served by: small, large." in raised.value.message
        assert (raised.value.code, raised.value.param) == ("wrong_model_type", "model")


async def test_a_text_model_that_is_asked_for_a_picture_names_its_endpoints_and_who_would_serve(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        for asking in (
            w.client.images.generate(model="small", prompt="a cat"),
            w.client.images.edit(model="small", prompt="a hat", image=png()),
            vary(w.client, png(), model="small"),
        ):
            with pytest.raises(openai.BadRequestError, match="'small' is of type text") as raised:
                await asking
            assert "It serves: /v1/chat/completions, /v1/completions, " in raised.value.message
            assert "is served by: painter." in raised.value.message
        assert w.engine.asked == []


async def test_an_unknown_model_is_not_found(tmp_path: Path) -> None:
    async with image_world(tmp_path) as w:
        with pytest.raises(openai.NotFoundError) as raised:
            await w.client.images.edit(model="gpt-image-9", prompt="a hat", image=png())
        assert raised.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            await w.client.images.generate(model="gpt-image-9", prompt="a cat")


async def test_what_the_engine_refuses_keeps_its_status_and_its_field(tmp_path: Path) -> None:
    async with image_world(tmp_path, ImageKnobs(status=400, code="invalid_size")) as w:
        with pytest.raises(openai.BadRequestError, match="fake failure") as raised:
            await w.client.images.edit(model="painter", prompt="a hat", image=png())
        assert (raised.value.code, raised.value.param) == ("invalid_size", "size")
