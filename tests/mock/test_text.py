"""Text from the mock engine, as the OpenAI SDK and a raw client see it."""

import time

import pytest
from openai import APIStatusError, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from images.mock.server.settings import Knobs
from images.mock.server.text import ChatRequest, Draft, draft
from tests.mock.server import Mock

HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "hello dear engine"},
]


@pytest.mark.parametrize(
    ("prompt", "wanted", "most", "tokens", "finish"),
    [
        ("one two", None, None, ("one", " two"), "stop"),
        ("one two", 3, None, ("one", " two", " one"), "stop"),
        ("one two three", None, 2, ("one", " two"), "length"),
        ("one two", None, 2, ("one", " two"), "stop"),
        ("one", 5, 2, ("one", " one"), "length"),
        ("", None, None, ("mock",), "stop"),
        ("one", 0, None, (), "stop"),
    ],
)
def test_an_answer_is_the_prompts_own_words(
    prompt: str, wanted: int | None, most: int | None, tokens: tuple[str, ...], finish: str
) -> None:
    assert draft(prompt, wanted, most) == Draft(tokens, finish)


def test_the_last_words_of_the_user_are_answered_and_pictures_are_shown_by_their_type() -> None:
    parts = [{"type": "text", "text": "what is"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": None}]
    assert ChatRequest.model_validate({"messages": messages}).said() == "what is [image_url]"


def test_a_chat_is_answered_whole(sdk: OpenAI) -> None:
    answer = sdk.chat.completions.create(model="m", messages=HELLO)
    assert answer.choices[0].message.content == "hello dear engine"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 3, 8)


def test_a_chat_is_streamed_token_by_token_with_its_usage_at_the_end(sdk: OpenAI) -> None:
    stream = sdk.chat.completions.create(
        model="alias",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = list(stream)
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "hello", " dear", " engine", None]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None, None, "stop"]
    assert last.usage is not None
    assert (last.choices, last.usage.completion_tokens) == ([], 3)


def test_a_stream_says_nothing_of_usage_unless_asked_and_ends_with_done(mock: Mock) -> None:
    with mock.http() as http:
        text = http.post("/v1/chat/completions", json={"messages": HELLO, "stream": True}).text
    assert "usage" not in text
    assert text.endswith("data: [DONE]\n\n")


def test_a_completion_is_answered_whole_and_streamed(sdk: OpenAI) -> None:
    whole = sdk.completions.create(model="m", prompt="one two three", max_tokens=2)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("one two", "length")
    stream = list(sdk.completions.create(model="m", prompt="one two three", stream=True))
    assert "".join(chunk.choices[0].text for chunk in stream) == "one two three"


def test_a_token_takes_its_time(sdk: OpenAI) -> None:
    began = time.monotonic()
    knobs = {"tokens": 5, "tokens_per_second": 20}
    sdk.completions.create(model="m", prompt="a", extra_body={"mock": knobs})
    assert time.monotonic() - began >= 5 / 20


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/v1/chat/completions", {"messages": []}, 400, "messages"),
        ("/v1/chat/completions", {"messages": HELLO, "n": 2}, 400, "n"),
        ("/v1/chat/completions", {"messages": HELLO, "model": "other"}, 404, "model"),
        ("/v1/completions", {}, 400, "prompt"),
        ("/v1/completions", {"prompt": "a", "mock": {"tokens": "five"}}, 400, "tokens"),
        ("/v1/completions", {"prompt": "a", "mock": {"nonsense": 1}}, 400, "nonsense"),
        ("/v1/embeddings", {}, 404, None),
    ],
)
def test_a_wrong_request_is_refused_in_the_words_of_openai(
    mock: Mock, path: str, body: dict[str, object], status: int, param: str | None
) -> None:
    with mock.http() as http:
        answer = http.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert answer.json()["error"]["origin"] == "engine"


def test_the_sdk_raises_what_the_engine_refuses(sdk: OpenAI) -> None:
    with pytest.raises(APIStatusError, match="other is not served here"):
        sdk.completions.create(model="other", prompt="a")


def test_a_caller_who_leaves_ends_the_work(mock: Mock) -> None:
    body = {"prompt": "a", "stream": True, "mock": {"tokens": 100_000, "tokens_per_second": 20}}
    with mock.http() as http, http.stream("POST", "/v1/completions", json=body) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert mock.metric("roundhouse_requests_running") == 1
    mock.until_metric("roundhouse_requests_running", 0)


def test_the_metrics_count_tokens(mock: Mock, sdk: OpenAI) -> None:
    before = mock.metric("roundhouse_tokens_total")
    sdk.completions.create(model="m", prompt="one two three")
    assert mock.metric("roundhouse_tokens_total") - before == 3


def test_knobs_are_bounded() -> None:
    assert Knobs().tokens is None
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Knobs(tokens_per_second=-1)
