import json

import pytest

from contract.capabilities import endpoints_of
from contract.catalogue import ModelType
from contract.errors import ApiError, Origin


def test_the_error_object_has_the_four_fields_of_openai_and_the_origin() -> None:
    error = ApiError(404, "model_not_found", "no model is named x", param="model", origin=Origin.MANAGER)
    assert json.loads(error.body()) == {
        "error": {
            "message": "no model is named x",
            "type": "not_found_error",
            "param": "model",
            "code": "model_not_found",
            "origin": "manager",
        }
    }


def test_an_error_inside_a_stream_is_one_event() -> None:
    event = ApiError(502, "engine_error", "line one\nline two").event()
    assert event.startswith(b"data: {")
    assert event.endswith(b"\n\n")
    assert event.count(b"\n") == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (401, "authentication_error"), (429, "rate_limit_error"), (503, "server_error")],
)
def test_the_type_follows_from_the_status(status: int, kind: str) -> None:
    assert ApiError(status, None, "").kind == kind


def test_a_model_serves_what_its_types_serve() -> None:
    text, embedding = endpoints_of([ModelType.TEXT]), endpoints_of([ModelType.EMBEDDING])
    assert text[:3] == ("/v1/chat/completions", "/v1/completions", "/v1/responses")
    assert "/v1/embeddings" in embedding
    assert "/v1/embeddings" not in text
    assert set(text) & set(embedding) == {"/v1/tokenize", "/v1/detokenize"}
    assert "/v1/embeddings" not in endpoints_of([ModelType.RERANK])
    assert endpoints_of([ModelType.VIDEO]) == ("/v1/videos",)
