"""The capability table: which endpoint serves which types of model.

Adding an endpoint is a row here and a file in `proxy/endpoints/`.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from contract.catalogue import ModelType

_POOLING = frozenset({ModelType.EMBEDDING, ModelType.RERANK})
_WITH_TOKENS = _POOLING | {ModelType.TEXT}

ENDPOINT_TYPES: Mapping[str, frozenset[ModelType]] = MappingProxyType(
    {
        "/v1/chat/completions": frozenset({ModelType.TEXT}),
        "/v1/completions": frozenset({ModelType.TEXT}),
        "/v1/responses": frozenset({ModelType.TEXT}),
        "/v1/messages": frozenset({ModelType.TEXT}),
        "/v1/messages/count_tokens": frozenset({ModelType.TEXT}),
        "/v1/embeddings": frozenset({ModelType.EMBEDDING}),
        # A model that embeds also says how near two texts are, and so which of many is nearest.
        "/v1/rerank": _POOLING,
        "/v1/score": _POOLING,
        "/v1/tokenize": _WITH_TOKENS,
        "/v1/detokenize": _WITH_TOKENS,
        "/v1/images/generations": frozenset({ModelType.IMAGE}),
        "/v1/images/edits": frozenset({ModelType.EDIT}),
        # A variation starts from a picture, as an edit does: it is one without words.
        "/v1/images/variations": frozenset({ModelType.EDIT}),
        "/v1/videos": frozenset({ModelType.VIDEO}),
        "/v1/audio/transcriptions": frozenset({ModelType.AUDIO}),
        "/v1/audio/translations": frozenset({ModelType.AUDIO}),
    }
)

# Whose answers come as events where a request asks for it. At all others `stream` is one more field for the engine.
STREAMED = frozenset(
    {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
    }
)


def endpoints_of(types: Iterable[ModelType]) -> tuple[str, ...]:
    """The endpoints that a model of these types serves, in the table's order."""
    wanted = frozenset(types)
    return tuple(path for path, served in ENDPOINT_TYPES.items() if served & wanted)
