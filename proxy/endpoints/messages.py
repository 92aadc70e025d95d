"""Anthropic's messages. Its clients read errors in Anthropic's shape, which holds all fields of ours beside its own.

A failed answer is `{"type": "error", "error": {...}}`, and a failure inside a stream is an event named `error`: one
without that name is skipped by Anthropic's SDK, and its user would take half an answer for a whole one. All failures of
these paths are told so, those of guards and of connections, too.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from contract.errors import ApiError
from proxy.endpoints._generation import generation_route
from proxy.endpoints._media import media_step
from proxy.gateway.media_marks import PARTS_IN_MESSAGES
from proxy.openapi.rows import json_row
from proxy.router import Route
from proxy.services import Services

PATHS = ("/v1/messages", "/v1/messages/count_tokens")

OPERATIONS = (
    json_row(PATHS[0], "A chat as Anthropic's clients ask for it.", is_anthropic=True),
    json_row(PATHS[1], "How many tokens such a chat has.", is_anthropic=True),
)

KINDS: Mapping[int, str] = MappingProxyType(
    {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
        504: "timeout_error",
    }
)


class MessagesError(ApiError):
    """An error as Anthropic's clients know it."""

    @classmethod
    def of(cls, error: ApiError) -> "MessagesError":
        kind = KINDS.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
        return cls(
            *(error.status, error.code, error.message),
            param=error.param,
            kind=kind,
            origin=error.origin,
            headers=error.headers,
        )

    def body(self) -> bytes:
        return json.dumps({"type": "error", "error": self.fields()}, ensure_ascii=False).encode()

    def event(self) -> bytes:
        return b"event: error\n" + super().event()


def routes(services: Services) -> tuple[Route, ...]:
    step = media_step(services.media, PARTS_IN_MESSAGES, anthropic=True)
    made = (generation_route(path, services, step) for path in PATHS)
    return tuple(replace(route, shape=MessagesError.of) for route in made)
