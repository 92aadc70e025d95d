"""A real vLLM behind the whole of Roundhouse, asked with the real OpenAI SDK: as local processes, and in Docker."""

import json
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from tests.integration.stack import MODEL, Stack, eventually

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the capital of France?"}]
STORY: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Tell me a very long story about a train."}]

pytestmark = pytest.mark.timeout(600)


def ask(client: OpenAI) -> str:
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=30)
    return answer.choices[0].message.content or ""


def test_eight_first_requests_at_once_start_one_engine_and_all_are_answered(stack: Stack) -> None:
    stack.unload()
    starts = stack.starts()
    with ThreadPoolExecutor(8) as people:
        answers = list(people.map(lambda _: ask(stack.client()), range(8)))
    assert all("Paris" in answer for answer in answers), answers
    assert stack.starts() == starts + 1


def test_a_question_is_answered_in_the_models_own_words(stack: Stack) -> None:
    answer = stack.client().chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=30)
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.model == MODEL
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_a_model_is_chosen_for_a_request_that_names_none(stack: Stack) -> None:
    body = {"messages": QUESTION, "temperature": 0, "max_tokens": 30}
    answer = httpx.post(f"{stack.base_url}/v1/chat/completions", json=body, timeout=300, trust_env=False)
    assert "Paris" in answer.json()["choices"][0]["message"]["content"]


def test_an_answer_streams_token_by_token(stack: Stack) -> None:
    chunks = list(
        stack.client().chat.completions.create(
            model=MODEL, messages=QUESTION, temperature=0, max_tokens=30, stream=True
        )
    )
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert len(chunks) > 5
    assert chunks[-1].choices[0].finish_reason in {"stop", "length"}


def test_a_stream_tells_its_usage_when_asked(stack: Stack) -> None:
    chunks: list[ChatCompletionChunk] = list(
        stack.client().chat.completions.create(
            model=MODEL, messages=QUESTION, max_tokens=5, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


def test_responses_are_made_streaming_and_not(stack: Stack) -> None:
    client = stack.client()
    question = "What is the capital of France?"
    made = client.responses.create(model=MODEL, input=question, temperature=0, max_output_tokens=30)
    assert "Paris" in made.output_text
    events = list(client.responses.create(model=MODEL, input=question, max_output_tokens=5, stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


def test_messages_are_answered_and_counted_and_their_errors_have_anthropics_shape(stack: Stack) -> None:
    with httpx.Client(base_url=stack.base_url, timeout=300, trust_env=False) as client:
        body = {"model": MODEL, "max_tokens": 30, "temperature": 0, "messages": QUESTION}
        answer = client.post("/v1/messages", json=body).json()
        assert "Paris" in answer["content"][0]["text"]
        counted = client.post("/v1/messages/count_tokens", json={"model": MODEL, "messages": QUESTION}).json()
        assert counted["input_tokens"] == answer["usage"]["input_tokens"]
        refused = client.post("/v1/messages", json={"model": MODEL, "messages": QUESTION})
        assert (refused.status_code, refused.json()["type"]) == (400, "error")


def test_text_becomes_tokens_and_text_again(stack: Stack) -> None:
    with httpx.Client(base_url=stack.base_url, timeout=300, trust_env=False) as client:
        tokens = client.post("/v1/tokenize", json={"model": MODEL, "prompt": "Hello world"}).json()["tokens"]
        assert client.post("/v1/detokenize", json={"model": MODEL, "tokens": tokens}).json()["prompt"] == "Hello world"


def test_completions_are_served_streaming_and_not(stack: Stack) -> None:
    client = stack.client()
    plain = client.completions.create(model=MODEL, prompt="The capital of France is", max_tokens=5, temperature=0)
    assert "Paris" in plain.choices[0].text
    stream = client.completions.create(
        model=MODEL, prompt="The capital of France is", max_tokens=5, temperature=0, stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in stream) == plain.choices[0].text


def test_all_models_are_listed_and_those_that_cannot_run_here_say_why(stack: Stack) -> None:
    models = {model.id: model.model_dump() for model in stack.client().models.list()}
    assert models[MODEL]["type"] == ["text"]
    assert models[MODEL]["state"] == "ready"
    assert "/v1/chat/completions" in models[MODEL]["endpoints"]
    assert models["llama3-8b"]["state"] == "unavailable"
    assert "NVIDIA GPU" in models["llama3-8b"]["reason"]


def test_a_model_that_cannot_run_here_fails_at_once_and_says_why(stack: Stack) -> None:
    began = time.monotonic()
    with pytest.raises(openai.APIStatusError, match="needs 1 NVIDIA GPU") as refused:
        stack.client(max_retries=2).chat.completions.create(model="llama3-8b", messages=QUESTION)
    assert refused.value.code == "model_unavailable"
    assert time.monotonic() - began < 5


def test_an_unknown_model_is_not_found(stack: Stack) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        stack.client().chat.completions.create(model="gpt-5", messages=QUESTION)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


def test_what_the_engine_refuses_arrives_in_the_shape_of_openai(stack: Stack) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        stack.client().chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=10**6)
    error = refused.value.body
    assert isinstance(error, dict)
    assert error["origin"] == "engine"
    assert error["code"] is None or isinstance(error["code"], str)


def running_requests(stack: Stack) -> float:
    metrics = httpx.get(f"{stack.engine_address()}/metrics", trust_env=False, timeout=60).text
    found = re.search(r"^vllm:num_requests_running\{[^}]*\} (\S+)$", metrics, re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_a_client_that_leaves_stops_its_generation(stack: Stack) -> None:
    stream = stack.client().chat.completions.create(
        model=MODEL, messages=STORY, max_tokens=1800, stream=True, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    eventually(lambda: running_requests(stack) == 1, "the engine generates", 30)
    stream.close()
    eventually(lambda: running_requests(stack) == 0, "the engine has stopped", 10)


def test_a_manager_that_is_killed_and_comes_back_adopts_the_running_engine(stack: Stack) -> None:
    engine = stack.engine_identity()
    assert stack.end("manager", signal.SIGKILL) == -signal.SIGKILL
    stack.start("manager")
    began = time.monotonic()
    assert "Paris" in ask(stack.client())
    assert time.monotonic() - began < 30, "no engine start can be that fast here"
    assert stack.engine_identity() == engine


def test_streams_go_on_while_the_manager_is_dead(stack: Stack) -> None:
    stream = iter(
        stack.client().chat.completions.create(
            model=MODEL, messages=STORY, max_tokens=150, stream=True, extra_body={"ignore_eos": True}
        )
    )
    next(stream)
    stack.end("manager", signal.SIGKILL)
    assert "Paris" in ask(stack.client()), "the endpoint that the proxy has is good"
    assert len(list(stream)) > 100
    stack.start("manager")


def test_an_engine_killed_in_the_middle_of_a_stream_is_an_error_and_the_next_stream_brings_it_back_telling_how(
    stack: Stack,
) -> None:
    starts = stack.starts()
    stream = iter(
        stack.client().chat.completions.create(
            model=MODEL, messages=STORY, max_tokens=1800, stream=True, extra_body={"ignore_eos": True}
        )
    )
    next(stream)
    stack.kill_engine()
    with pytest.raises(openai.APIError, match="engine"):
        list(stream)
    body = {"model": MODEL, "messages": QUESTION, "stream": True, "temperature": 0, "max_tokens": 30}
    url = f"{stack.base_url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, timeout=300, trust_env=False) as answer:
        lines = list(answer.iter_lines())
    # Comments keep the stream of a model that is not there yet alive.
    comments = [line for line in lines if line.startswith(":")]
    assert any("starting" in comment for comment in comments), comments
    assert "Paris" in said(lines)
    assert lines[-2] == "data: [DONE]"
    assert stack.starts() == starts + 1


def said(lines: list[str]) -> str:
    """The words of a stream's events."""
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])


def test_a_first_caller_that_gives_up_after_a_second_does_not_stop_the_load(stack: Stack) -> None:
    stack.unload()
    with pytest.raises(openai.APITimeoutError):
        ask(stack.client(timeout=1))
    eventually(lambda: stack.state() == "ready", "the load went on by itself", 400)
    assert "Paris" in ask(stack.client())


def test_the_end_of_the_stack_leaves_no_process_container_or_network(stack: Stack) -> None:
    assert stack.leftovers() != []
    assert stack.end("proxy") == 0
    assert stack.end("manager") == 0
    assert stack.leftovers() == []
