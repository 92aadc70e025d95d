"""OpenTelemetry's conventions for generative AI: the bounds of its histograms, and its words for what is done."""

from collections.abc import Mapping
from types import MappingProxyType

# Seconds.
DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
# Tokens of one request.
TOKENS = tuple(4**power for power in range(14))

# What a path's requests are called, where the conventions have a word; the path's own last word elsewhere.
OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        "/v1/chat/completions": "chat",
        "/v1/messages": "chat",
        "/v1/responses": "chat",
        "/v1/completions": "text_completion",
        "/v1/embeddings": "embeddings",
    }
)


def operation_of(path: str) -> str:
    """`/v1/chat/completions` -> `chat`; `/v1/images/edits` -> `images_edits`."""
    return OPERATIONS.get(path) or path.removeprefix("/v1/").strip("/*").replace("/", "_")
