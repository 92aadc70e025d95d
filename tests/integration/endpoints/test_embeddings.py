"""A real vLLM that embeds behind the whole of Roundhouse, asked with the real OpenAI SDK."""

import math
from collections.abc import Sequence
from operator import mul

import openai
import pytest

from contract.usage import Usage
from tests.integration.endpoints.keyed import MODELS, READER, WRITER, Caller

CAT, KITTEN = "A cat sleeps on the sofa.", "A kitten is napping on the couch."
MARKET, SHARES = "The stock market fell sharply on Monday.", "Shares dropped heavily at the start of the week."
TEXTS = (CAT, KITTEN, MARKET, SHARES)

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot: float = sum(map(mul, one, other))
    return dot / (math.hypot(*one) * math.hypot(*other))


def embedded(caller: Caller, *texts: str) -> list[list[float]]:
    made = caller.sdk.embeddings.create(model=READER, input=list(texts), encoding_format="float")
    assert [each.index for each in made.data] == list(range(len(texts)))
    return [each.embedding for each in made.data]


def test_texts_that_mean_the_same_are_near_each_other(caller: Caller) -> None:
    cat, kitten, market, shares = embedded(caller, *TEXTS)
    strange = max(cosine(one, other) for one in (cat, kitten) for other in (market, shares))
    assert min(cosine(cat, kitten), cosine(market, shares)) > strange


def test_a_text_its_tokens_and_base64_give_the_same_numbers(caller: Caller) -> None:
    client = caller.sdk
    (listed,) = embedded(caller, CAT)
    assert len(listed) == 576
    in_base64 = client.embeddings.create(model=READER, input=CAT)  # what the SDK asks for by itself
    tokens = caller.post("/v1/tokenize", READER, prompt=CAT).json()["tokens"]
    of_tokens = client.embeddings.create(model=READER, input=tokens, encoding_format="float")
    for made in (in_base64, of_tokens):
        assert made.model == READER
        assert (made.usage.prompt_tokens, made.usage.total_tokens) == (len(tokens), len(tokens))
        assert made.data[0].embedding == pytest.approx(listed, abs=1e-3)


def test_what_the_model_cannot_embed_is_refused_with_the_reason(caller: Caller) -> None:
    for wish, reason in (
        ({"dimensions": 64}, "does not support Matryoshka embeddings; dimensions must be unset"),
        ({"input": []}, "at least one prompt"),
        ({"input": "long " * 600}, "maximum context length is 512 tokens"),
    ):
        body = {"input": CAT, **wish}
        with pytest.raises(openai.BadRequestError, match=reason) as refused:
            caller.sdk.post("/embeddings", body={"model": READER, **body}, cast_to=object)
        assert isinstance(refused.value.body, dict)
        assert (refused.value.body["origin"], refused.value.type) == ("engine", "invalid_request_error")
    assert caller.used(after=3) == Usage(0, 0)


def test_numbers_come_in_json_and_not_as_bytes(caller: Caller) -> None:
    for wish in ("bytes", "bytes_only"):
        answer = caller.post("/v1/embeddings", READER, input=CAT, encoding_format=wish)
        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["origin"]) == (400, "encoding_format", "proxy")
    assert caller.used(after=2) == Usage(0, 0)


def test_documents_are_ranked_by_their_nearness_to_a_question(caller: Caller) -> None:
    question = "A sleeping cat"
    ranked = caller.post("/v1/rerank", READER, query=question, documents=TEXTS).json()["results"]
    assert {each["index"] for each in ranked[:2]} == {0, 1}
    best = caller.post("/v1/rerank", READER, query=question, documents=TEXTS, top_n=1).json()["results"]
    assert [(each["index"], each["document"]["text"]) for each in best] == [(0, CAT)]
    scored = caller.post("/v1/score", READER, text_1=question, text_2=TEXTS).json()["data"]
    assert {each["index"]: pytest.approx(each["relevance_score"], abs=1e-3) for each in ranked} == {
        each["index"]: each["score"] for each in scored
    }


def test_text_becomes_tokens_and_text_again(caller: Caller) -> None:
    tokens = caller.post("/v1/tokenize", READER, prompt=CAT).json()["tokens"]
    assert caller.post("/v1/detokenize", READER, tokens=tokens).json() == {"prompt": CAT}
    assert caller.used(after=2) == Usage(0, 0)


def test_a_key_pays_for_the_tokens_that_the_engine_has_read(caller: Caller) -> None:
    embeddings = caller.sdk.embeddings.create(model=READER, input=list(TEXTS))
    ranked = caller.post("/v1/rerank", READER, query=CAT, documents=TEXTS).json()
    scored = caller.post("/v1/score", READER, text_1=CAT, text_2=MARKET).json()
    told = [embeddings.usage.prompt_tokens, *(each["usage"]["prompt_tokens"] for each in (ranked, scored))]
    assert min(told) > 0
    assert caller.used(after=3) == Usage(sum(told), 0)


@pytest.mark.parametrize(
    ("path", "model", "kind", "able"),
    [
        ("/v1/embeddings", WRITER, "text", READER),
        ("/v1/rerank", WRITER, "text", READER),
        ("/v1/chat/completions", READER, "embedding", WRITER),
        ("/v1/responses", READER, "embedding", WRITER),
        ("/v1/messages", READER, "embedding", WRITER),
    ],
)
def test_a_model_of_another_type_is_refused_with_its_type_its_endpoints_and_models_that_can(
    caller: Caller, path: str, model: str, kind: str, able: str
) -> None:
    answer = caller.post(path, model)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "wrong_model_type", "model")
    assert f"'{model}' is of type {kind} and cannot serve {path}." in error["message"]
    assert "It serves: /v1/" in error["message"]
    all_able = [name for name, entry in MODELS.items() if entry["type"] == MODELS[able]["type"]]
    assert error["message"].endswith(f"{path} is served by: {', '.join(all_able)}.")
    assert caller.requests() == 0
