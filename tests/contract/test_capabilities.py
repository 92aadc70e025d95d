import pytest

from contract.capabilities import endpoints_of
from contract.catalogue import ModelType

SERVED = [
    (
        ["text"],
        (
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/responses",
            "/v1/messages",
            "/v1/messages/count_tokens",
            "/v1/tokenize",
            "/v1/detokenize",
        ),
    ),
    (["embedding"], ("/v1/embeddings", "/v1/rerank", "/v1/score", "/v1/tokenize", "/v1/detokenize")),
    (["rerank"], ("/v1/rerank", "/v1/score", "/v1/tokenize", "/v1/detokenize")),
    (["audio"], ("/v1/audio/transcriptions", "/v1/audio/translations")),
    (["image"], ("/v1/images/generations",)),
    (["edit"], ("/v1/images/edits", "/v1/images/variations")),
    (["edit", "image"], ("/v1/images/generations", "/v1/images/edits", "/v1/images/variations")),
    (["video"], ("/v1/videos",)),
]


@pytest.mark.parametrize(("types", "endpoints"), SERVED)
def test_a_model_serves_the_endpoints_of_all_its_types_in_the_tables_order(
    types: list[str], endpoints: tuple[str, ...]
) -> None:
    assert endpoints_of(map(ModelType, types)) == endpoints
