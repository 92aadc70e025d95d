"""The endpoints of text and vectors: each to its models' engine, bytes untouched, errors as callers know them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contract.capabilities import ENDPOINT_TYPES
from contract.states import ModelState
from proxy.endpoints._remembered import ID_LIMIT, Made, ResponseMemory
from tests.fakes.wide_engine import WideEngine
from tests.proxy.media.pictures import chat, data_url, encoded, picture_part
from tests.proxy.world import World, until, world

pytestmark = pytest.mark.anyio

WIDE: dict[str, dict[str, Any]] = {
    "writer": {"type": "text", "aliases": ["claude-3"], "default_for": ["text"]},
    "other": {"type": "text"},
    "vectors": {"type": "embedding", "aliases": ["text-embedding-3"], "default_for": ["embedding"]},
    "judge": {"type": "rerank"},
}
TARGETS = {"/v1/tokenize": "/tokenize", "/v1/detokenize": "/detokenize"}
OTHERS = ("/v1/images", "/v1/audio", "/v1/completions", "/v1/videos")
JSON_ROWS = [path for path in ENDPOINT_TYPES if not path.startswith(OTHERS)]


@dataclass
class Wide:
    """The world with these models behind one engine; they are ready."""

    world: World
    engine: WideEngine

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:  # noqa: ANN401
        answer = await self.world.post(path, json.dumps(body).encode())
        return answer.status, json.loads(answer.body)

    async def get(self, path: str, method: str = "GET") -> tuple[int, Any]:
        answer = await self.world.get(path, method=method)
        return answer.status, json.loads(answer.body)

    async def tell(self, name: str, state: ModelState) -> None:
        """The manager tells the model's state, and the proxy has heard it."""
        await self.world.manager.tell(self.world.manager.status(name, state=state))
        feed = self.world.proxy.feed
        await until(lambda: feed.directory is not None and feed.directory.statuses[name].state is state)


@pytest.fixture
async def wide(tmp_path: Path) -> AsyncIterator[Wide]:
    async with WideEngine() as engine, world(tmp_path) as made:
        await made.manager.change_catalogue(WIDE)
        await until(lambda: made.proxy.feed.directory is not None and "judge" in made.proxy.feed.directory.statuses)
        there = Wide(made, engine)
        for name in WIDE:
            made.manager.endpoints[name] = engine.url
            await there.tell(name, ModelState.READY)
        yield there


def model_for(path: str) -> str:
    return next(name for name, entry in WIDE.items() if entry["type"] in ENDPOINT_TYPES[path])


@pytest.mark.parametrize("path", JSON_ROWS)
async def test_a_body_goes_byte_for_byte_to_the_engine_of_a_model_that_serves_it(wide: Wide, path: str) -> None:
    body = f'{{ "model":"{model_for(path)}",  "input":"\\u00e9", "x": 1.0, "messages":[ ] }}'.encode()
    answer = await wide.world.post(path, body)
    assert answer.status == 200, answer.body
    assert wide.engine.requests[-1].path == TARGETS.get(path, path)
    assert wide.engine.requests[-1].body == body


@pytest.mark.parametrize("path", [path for path in JSON_ROWS if path not in {"/v1/rerank", "/v1/score"}])
async def test_a_model_that_cannot_is_refused_with_those_that_can(wide: Wide, path: str) -> None:
    wrong = "judge" if path == "/v1/embeddings" else "painter"
    if wrong == "painter":
        await wide.world.manager.change_catalogue({**WIDE, "painter": {"type": "image"}})
        feed = wide.world.proxy.feed
        await until(lambda: feed.directory is not None and "painter" in feed.directory.statuses)
    status, error = await wide.post(path, model=wrong)
    assert (status, error["error"]["code"]) == (400, "wrong_model_type")
    assert model_for(path) in error["error"]["message"]
    assert wide.engine.requests == []


async def test_aliases_and_defaults_hold_for_every_row(wide: Wide) -> None:
    assert (await wide.post("/v1/embeddings", model="text-embedding-3", input="a"))[0] == 200
    assert (await wide.post("/v1/embeddings", input="a"))[0] == 200
    assert (await wide.post("/v1/messages", model="claude-3", messages=[]))[0] == 200
    assert (await wide.post("/v1/score", text_1="a", text_2="b"))[0] == 200


@pytest.mark.parametrize("field", ["api_base", "chat_template", "chat_template_kwargs", "mm_processor_kwargs"])
@pytest.mark.parametrize("path", JSON_ROWS)
async def test_no_row_takes_a_field_that_reaches_into_the_engine(wide: Wide, path: str, field: str) -> None:
    status, error = await wide.post(path, model=model_for(path), **{field: {"a": 1}})
    assert (status, error["error"]["param"]) == (400, field)


@pytest.mark.parametrize("path", JSON_ROWS)
async def test_the_wrong_method_and_the_unknown_path_are_told_in_openais_shape(wide: Wide, path: str) -> None:
    status, error = await wide.get(path, method="DELETE")
    assert (status, error["error"]["code"]) == (405, "method_not_allowed")
    status, error = await wide.post(path + "x", model="writer")
    assert (status, error["error"]["code"]) == (404, "not_found")


# Media


@pytest.mark.parametrize("path", [path for path in JSON_ROWS if path != "/v1/detokenize"])
async def test_no_row_hands_an_engine_a_url(wide: Wide, path: str) -> None:
    body = json.loads(chat(picture_part("http://127.0.0.1:1/a.png"))) | {"model": model_for(path)}
    status, error = await wide.post(path, **body)
    assert (status, error["error"]["code"]) == (400, "invalid_media_url")
    assert error["error"]["param"] == "messages[0].content[1].image_url.url"
    assert wide.engine.requests == []


async def test_a_picture_reaches_the_engine_as_data_made_anew(wide: Wide) -> None:
    photo = data_url(encoded("WEBP"), "image/webp")
    body = json.loads(chat(picture_part(photo))) | {"model": "writer", "temperature": 0.5}
    assert (await wide.post("/v1/chat/completions", **body))[0] == 200
    sent = json.loads(wide.engine.requests[-1].body)
    assert sent["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert (sent["temperature"], sent["messages"][0]["content"][0]["text"]) == (0.5, "What is it?")


# Responses


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_is_asked_for_again_at_the_engine_that_made_it(wide: Wide, stream: bool) -> None:
    await wide.world.post("/v1/responses", json.dumps({"model": "other", "input": "a", "stream": stream}).encode())
    assert await wide.get("/v1/responses/resp_1") == (
        200,
        {"id": "resp_1", "object": "response", "status": "completed"},
    )
    asked = wide.engine.requests[-1]
    assert (asked.method, asked.target, asked.body) == ("GET", "/v1/responses/resp_1", b"")
    status, cancelled = await wide.post("/v1/responses/resp_1/cancel")
    assert (status, cancelled["status"]) == (200, "cancelled")
    assert wide.engine.requests[-1].target == "/v1/responses/resp_1/cancel"


async def test_of_the_query_only_what_is_meant_is_passed_on(wide: Wide) -> None:
    await wide.world.post("/v1/responses", b'{"model":"writer","input":"a","background":true,"stream":true}')
    answer = await wide.world.get("/v1/responses/resp_1?stream=true&starting_after=07&evil=%0d%0a&include[]=x")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert b"response.created" in answer.body
    assert wide.engine.requests[-1].target == "/v1/responses/resp_1?stream=true&starting_after=7"
    status, error = await wide.get("/v1/responses/resp_1?stream=true&starting_after=-1")
    assert (status, error["error"]["param"]) == (400, "starting_after")


@pytest.mark.parametrize("made", [{}, {"background": True}, {"stream": True}])
async def test_a_response_without_events_is_not_asked_for_as_a_stream(wide: Wide, made: dict[str, bool]) -> None:
    await wide.world.post("/v1/responses", json.dumps({"model": "writer", "input": "a", **made}).encode())
    asked = len(wide.engine.requests)
    status, error = await wide.get("/v1/responses/resp_1?stream=true")
    assert (status, error["error"]["param"]) == (400, "stream")
    assert "background" in error["error"]["message"]
    assert all(each.method == "POST" or "stream" not in each.target for each in wide.engine.requests[asked:])
    assert (await wide.get("/v1/responses/resp_1?stream=false"))[0] == 200


@pytest.mark.parametrize(
    ("method", "rest", "status"),
    [
        ("GET", "resp_unknown", 404),
        ("POST", "resp_unknown/cancel", 404),
        ("GET", "resp_1/cancel", 405),
        ("POST", "resp_1", 405),
        ("DELETE", "resp_1", 405),
        ("GET", "resp_1/input_items", 404),
        ("GET", "..%2f..%2fmetrics", 404),
        ("GET", "a%20b", 404),
        ("GET", "a" * 200, 404),
    ],
)
async def test_what_is_no_response_of_ours_reaches_no_engine(wide: Wide, method: str, rest: str, status: int) -> None:
    await wide.post("/v1/responses", model="writer", input="a")
    answer = await wide.world.get(f"/v1/responses/{rest}", "content-length: 0", method=method)
    assert answer.status == status
    assert json.loads(answer.body)["error"]["origin"] == "proxy"
    assert len(wide.engine.requests) == 1


async def test_an_engine_that_was_stopped_has_forgotten_and_is_not_started_for_it(wide: Wide) -> None:
    await wide.post("/v1/responses", model="other", input="a")
    await wide.tell("other", ModelState.ASLEEP)
    assert (await wide.get("/v1/responses/resp_1"))[0] == 200
    await wide.tell("other", ModelState.STOPPED)
    status, error = await wide.get("/v1/responses/resp_1")
    assert (status, error["error"]["code"]) == (404, "response_not_found")
    assert len(wide.engine.requests) == 2


async def test_a_response_goes_on_only_from_one_that_is_remembered(wide: Wide) -> None:
    status, error = await wide.post("/v1/responses", model="writer", input="a", previous_response_id="resp_1")
    assert (status, error["error"]["param"]) == (404, "previous_response_id")
    assert wide.engine.requests == []
    await wide.post("/v1/responses", model="writer", input="a")
    assert (await wide.post("/v1/responses", model="writer", input="a", previous_response_id="resp_1"))[0] == 200
    assert (await wide.post("/v1/responses", model="writer", input="a", previous_response_id=None))[0] == 200
    assert (await wide.post("/v1/responses", model="writer", input="a", previous_response_id=[1]))[0] == 404


def test_the_memory_of_responses_is_bounded_and_an_owners_own() -> None:
    memory = ResponseMemory(most=3)
    m = Made("m", keeps_events=True)
    for number in range(5):
        memory.remember(f"r{number}", m, "me")
    assert [memory.find(f"r{number}", "me") for number in range(5)] == [None, None, m, m, m]
    assert memory.find("r4", "you") is None
    memory.remember("r4", Made("theirs", keeps_events=False), "you")
    assert (memory.find("r4", "me"), memory.find("r4", "you")) == (m, None)
    memory.remember("x" * (ID_LIMIT + 1), m, "me")
    assert repr(memory) == "<ResponseMemory 3 of 3>"


# Anthropic's messages


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_errors_of_messages_have_anthropics_shape_and_our_fields(wide: Wide, path: str) -> None:
    status, error = await wide.post(path, model="nobody")
    assert status == 404
    assert (error["type"], error["error"]["type"]) == ("error", "not_found_error")
    assert (error["error"]["code"], error["error"]["origin"]) == ("model_not_found", "proxy")
    wide.engine.failing = True
    status, error = await wide.post(path, model="writer")
    assert (status, error["error"]["type"], error["error"]["origin"]) == (502, "api_error", "engine")


async def test_a_stream_of_messages_that_breaks_ends_with_an_event_that_anthropics_clients_see(wide: Wide) -> None:
    answer = await wide.world.post("/v1/messages", b'{"model":"writer","stream":true,"messages":[]}')
    first, error = answer.body.split(b"event: error\n")
    assert b"message_start" in first
    document = json.loads(error[error.index(b"{") : error.rindex(b"}") + 1])
    assert (document["type"], document["error"]["type"]) == ("error", "api_error")


# Audio


async def test_no_model_listens_yet_and_that_is_told(wide: Wide) -> None:
    body = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nx\r\n--b--\r\n'
    answer = await wide.world.post("/v1/audio/transcriptions", body, "content-type: multipart/form-data; boundary=b")
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, "model_required")
