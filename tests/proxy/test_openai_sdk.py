"""The real OpenAI SDK against the proxy."""

from pathlib import Path

import openai
import pytest

from tests.proxy.world import HELLO, text_of, world

pytestmark = pytest.mark.anyio
FIVE = "token0 token1 token2 token3 token4 "


async def test_a_chat_is_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert await w.chat() == FIVE


async def test_a_streamed_chat_comes_in_tokens(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert await text_of(await w.stream()) == FIVE


async def test_a_stream_with_usage_ends_with_the_usage(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        stream = await w.client.chat.completions.create(
            model="small", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        last = [chunk async for chunk in stream][-1]
        assert last.usage is not None
        assert last.usage.completion_tokens == 5


async def test_a_completion_is_answered_plain_and_streamed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        plain = await w.client.completions.create(model="small", prompt="Hello")
        stream = await w.client.completions.create(model="small", prompt="Hello", stream=True)
        assert plain.choices[0].text == FIVE
        assert "".join([chunk.choices[0].text async for chunk in stream]) == FIVE


async def test_the_body_reaches_the_engine_byte_for_byte(tmp_path: Path) -> None:
    body = b'{ "model" : "small",\n "messages":[{"role":"user","content":"gr\\u00fc\xc3\x9fe"}], "x": 1.0e2 }'
    async with world(tmp_path) as w:
        answer = await w.post("/v1/chat/completions", body)
        assert answer.status == 200
        assert w.engine.seen.requests[0].body == body


async def test_no_header_of_the_caller_reaches_the_engine_but_the_request_id(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.post(
            "/v1/chat/completions", b'{"model":"small"}', "cookie: a=b", "te: trailers", "x-request-id: mine-1"
        )
        assert set(w.engine.seen.requests[0].headers) == {"host", "content-type", "content-length", "x-request-id"}
        assert w.engine.seen.requests[0].headers["x-request-id"] == "mine-1"


async def test_an_alias_and_a_missing_model_find_their_model(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert await w.chat("org/small:1") == FIVE
        assert (await w.post("/v1/chat/completions", b"{}")).status == 200
        assert [lease.model for lease in w.manager.leases] == ["small"]


async def test_the_list_names_every_model_with_its_type_state_and_endpoints(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        models = {model.id: model for model in (await w.client.models.list()).data}
        assert set(models) == {"small", "large", "painter"}
        assert models["small"].owned_by == "roundhouse"
        assert models["small"].created == 1700000000
        extra = models["painter"].model_extra
        assert extra is not None
        assert extra["type"] == ["image", "edit"]
        assert extra["state"] == "stopped"
        assert extra["endpoints"] == ["/v1/images/generations", "/v1/images/edits", "/v1/images/variations"]
        assert extra["aliases"] == ["brush"]


async def test_one_model_is_retrieved_by_name_and_by_alias(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert (await w.client.models.retrieve("small")).id == "small"
        assert (await w.client.models.retrieve("org/small:1")).id == "small"
        with pytest.raises(openai.NotFoundError):
            await w.client.models.retrieve("nothing")


async def test_an_unknown_model_is_not_found_and_the_error_names_what_there_is(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(openai.NotFoundError) as raised:
            await w.chat("gpt-9")
        assert raised.value.code == "model_not_found"
        assert raised.value.param == "model"
        assert "small, large, painter" in raised.value.message


async def test_a_model_of_the_wrong_type_is_refused_with_what_would_serve(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(openai.BadRequestError) as raised:
            await w.chat("brush")
        assert raised.value.param == "model"
        assert "image, edit" in raised.value.message
        assert "small, large" in raised.value.message
        assert w.manager.leases == []


async def test_every_answer_carries_a_request_id(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        answer = await w.client.chat.completions.with_raw_response.create(model="small", messages=HELLO)
        assert answer.headers["x-request-id"].startswith("req-")
        mine = await w.get("/v1/models", "x-request-id: abc.1")
        assert mine.headers["x-request-id"] == "abc.1"
        odd = await w.get("/nowhere", "x-request-id: not sane!")
        assert odd.headers["x-request-id"].startswith("req-")


async def test_news_of_a_model_and_of_the_catalogue_shows_in_the_list(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.manager.tell(w.manager.status("large", state="starting", phase="loading"))
        await w.manager.change_catalogue({"other": {"type": "text"}})
        ids: list[str] = []
        while ids != ["other"]:
            ids = [model.id for model in (await w.client.models.list()).data]
