"""What a real vLLM can beside a plain chat, through the whole of Roundhouse, asked with the real OpenAI SDK."""

import json

import openai
import pytest
from openai import pydantic_function_tool
from openai.types.chat import ChatCompletionNamedToolChoiceParam
from openai.types.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from contract.usage import Usage
from tests.integration.endpoints.keyed import WRITER, Caller, a_caller
from tests.integration.stack import Stack, eventually
from tests.integration.test_real_engine import QUESTION, STORY, running_requests

CAPITAL = "What is the capital of France?"
GENERATING = (
    ("/v1/chat/completions", {"messages": STORY}, "max_tokens"),
    ("/v1/completions", {"prompt": "Once upon a time"}, "max_tokens"),
    ("/v1/responses", {"input": STORY}, "max_output_tokens"),
    ("/v1/messages", {"messages": STORY}, "max_tokens"),
)
COUNTS = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
NAMED: ChatCompletionNamedToolChoiceParam = {"type": "function", "function": {"name": "Weather"}}

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


class Weather(BaseModel):
    """The weather in a city."""

    model_config = ConfigDict(extra="forbid")

    city: str = Field(max_length=20)
    days: int = Field(ge=1, le=9)


class Place(BaseModel):
    """What an answer has to look like."""

    model_config = ConfigDict(extra="forbid")

    city: str = Field(max_length=20)
    country: str = Field(max_length=20)
    is_capital: bool


TOOL = pydantic_function_tool(Weather)


def test_a_tool_is_called_with_arguments_that_keep_to_its_schema(caller: Caller) -> None:
    answer = caller.sdk.chat.completions.parse(
        model=WRITER, messages=QUESTION, tools=[TOOL], tool_choice="required", temperature=0, max_tokens=80
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, Weather)
    assert (call.function.name, answer.choices[0].finish_reason) == ("Weather", "tool_calls")


def test_the_arguments_of_a_named_tool_stream(caller: Caller) -> None:
    stream = caller.sdk.chat.completions.create(
        model=WRITER, messages=QUESTION, tools=[TOOL], tool_choice=NAMED, temperature=0, max_tokens=80, stream=True
    )
    calls = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or [] if call.function]
    assert [call.function.name for call in calls if call.function and call.function.name] == ["Weather"]
    pieces = [call.function.arguments or "" for call in calls if call.function]
    assert len(pieces) > 5
    Weather.model_validate_json("".join(pieces))


def test_a_tool_that_was_not_described_is_refused_by_the_engine(caller: Caller) -> None:
    with pytest.raises(openai.BadRequestError, match="tool_choice"):
        caller.sdk.chat.completions.create(
            model=WRITER,
            messages=QUESTION,
            tools=[TOOL],
            tool_choice={"type": "function", "function": {"name": "Tide"}},
        )
    assert caller.used(after=1) == Usage(0, 0)


def test_an_answer_keeps_to_a_schema_streaming_and_not(caller: Caller) -> None:
    client = caller.sdk
    wish = "Describe Paris as JSON."
    answer = client.chat.completions.parse(
        model=WRITER,
        messages=[{"role": "user", "content": wish}],
        response_format=Place,
        temperature=0,
        max_tokens=80,
    )
    assert isinstance(answer.choices[0].message.parsed, Place)
    with client.responses.stream(
        model=WRITER, input=wish, text_format=Place, temperature=0, max_output_tokens=80
    ) as events:
        assert isinstance(events.get_final_response().output_parsed, Place)


def test_a_schema_that_is_none_is_refused_by_the_engine(caller: Caller) -> None:
    with pytest.raises(openai.BadRequestError, match="Grammar error"):
        caller.sdk.chat.completions.create(
            model=WRITER,
            messages=QUESTION,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "steam"}}},
        )


def test_log_probabilities_are_told_streaming_and_not(caller: Caller) -> None:
    client = caller.sdk
    plain = client.chat.completions.create(
        model=WRITER, messages=QUESTION, logprobs=True, top_logprobs=3, temperature=0, max_tokens=4
    )
    assert plain.choices[0].logprobs
    told = plain.choices[0].logprobs.content or []
    assert "".join(each.token for each in told) == plain.choices[0].message.content
    for each in told:
        assert [top.logprob for top in each.top_logprobs] == sorted(
            (t.logprob for t in each.top_logprobs), reverse=True
        )
        assert (len(each.top_logprobs), each.top_logprobs[0].token) == (3, each.token)
        assert each.logprob <= 0
    stream = client.chat.completions.create(
        model=WRITER, messages=QUESTION, logprobs=True, top_logprobs=3, temperature=0, max_tokens=4, stream=True
    )
    streamed = [each for chunk in stream if (found := chunk.choices[0].logprobs) for each in found.content or []]
    assert [each.token for each in streamed] == [each.token for each in told]
    assert [each.logprob for each in streamed] == pytest.approx([each.logprob for each in told], abs=0.05)


def test_a_response_is_asked_for_again_and_gone_on_from_by_its_owner_alone(keyed: Stack, caller: Caller) -> None:
    def ask(who: Caller, text: str, before: str | None = None) -> Response:
        return who.sdk.responses.create(
            model=WRITER, input=text, previous_response_id=before, temperature=0, max_output_tokens=8
        )

    made, alone = ask(caller, CAPITAL), ask(caller, "And of Italy?")
    assert caller.sdk.responses.retrieve(made.id).output_text == made.output_text
    gone_on = ask(caller, "And of Italy?", made.id)
    assert gone_on.previous_response_id == made.id
    first, second, third = told = [each.usage for each in (made, alone, gone_on) if each.usage]
    assert third.input_tokens > second.input_tokens + first.output_tokens
    stranger = a_caller(keyed)
    with pytest.raises(openai.NotFoundError, match="not remembered here"):
        stranger.sdk.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError, match="not remembered here"):
        ask(stranger, "And?", made.id)
    paid = Usage(sum(each.input_tokens for each in told), sum(each.output_tokens for each in told))
    assert caller.used(after=4) == paid, "what is asked for again was paid for"


def test_messages_stream_call_tools_and_fail_as_anthropics_do(caller: Caller) -> None:
    body = {"messages": QUESTION, "temperature": 0, "max_tokens": 80}
    with caller.stream("/v1/messages", WRITER, **body) as stream:
        events = [json.loads(data) for data in stream]
    text = "".join(each["delta"].get("text", "") for each in events if each["type"] == "content_block_delta")
    assert "Paris" in text
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    tool = {"name": "Weather", "input_schema": Weather.model_json_schema()}
    wish = {"tools": [tool], "tool_choice": {"type": "tool", "name": "Weather"}}
    called = caller.post("/v1/messages", WRITER, **body, **wish).json()
    (use,) = (each for each in called["content"] if each["type"] == "tool_use")
    Weather.model_validate(use["input"])
    for model, wrong, status, kind in (
        (WRITER, {"max_tokens": 10**6}, 400, "invalid_request_error"),
        ("steam", {}, 404, "not_found_error"),
    ):
        answer = caller.post("/v1/messages", model, **body | wrong)
        assert (answer.status_code, answer.json()["type"]) == (status, "error")
        assert answer.json()["error"]["type"] == kind


@pytest.mark.parametrize(("path", "body", "bound"), GENERATING)
def test_a_key_pays_what_the_engine_tells_streaming_or_not(
    caller: Caller, path: str, body: dict[str, object], bound: str
) -> None:
    wish = {**body, bound: 6, "temperature": 0}
    told = caller.post(path, WRITER, **wish).json()["usage"]
    prompt, made = (told.get(one) or told[other] for one, other in COUNTS)
    assert min(prompt, made) > 0
    assert caller.used(after=1) == Usage(prompt, made)
    with caller.stream(path, WRITER, **wish) as events:
        streamed = list(events)
    assert caller.used(after=2) == Usage(2 * prompt, 2 * made)
    assert "completions" not in path or not any('"usage":{' in event for event in streamed), "nobody asked for it"


@pytest.mark.parametrize(("path", "body", "bound"), GENERATING)
def test_who_leaves_a_stream_pays_for_what_was_made_and_no_more_is_made(
    keyed: Stack, caller: Caller, path: str, body: dict[str, object], bound: str
) -> None:
    with caller.stream(path, WRITER, **body, **{bound: 1800, "ignore_eos": True}) as events:
        for _ in range(20):
            next(events)
    eventually(lambda: running_requests(keyed) == 0, "the engine has stopped", 10)
    paid = caller.used(after=1)
    assert paid.prompt_tokens > 0
    assert 10 < paid.completion_tokens < 400
