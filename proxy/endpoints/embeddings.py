"""Embeddings, told in JSON: as numbers or in base64."""

from collections.abc import Awaitable

import msgspec

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.endpoints._generation import Prepare, generation_route
from proxy.endpoints._media import media_step
from proxy.gateway.asgi import Scope
from proxy.openapi.rows import json_row
from proxy.router import Route
from proxy.services import Services

OPERATIONS = (json_row("/v1/embeddings", "Texts as vectors."),)

# What vLLM answers with bytes, which do not pass here.
BINARY = frozenset({"bytes", "bytes_only"})


class _Wish(msgspec.Struct, gc=False):
    encoding_format: str | None = None


_WISH = msgspec.json.Decoder(_Wish)


def _refusing_bytes(media: Prepare) -> Prepare:
    """Raises ApiError (400). A format that is no string is the engine's to judge."""

    def prepare(scope: Scope, body: bytes) -> Awaitable[bytes] | None:
        if _format_of(body) in BINARY:
            message = "'encoding_format' is 'float' or 'base64' here: answers are JSON."
            raise ApiError(400, "invalid_value", message, param="encoding_format", headers=DO_NOT_RETRY)
        return media(scope, body)

    return prepare


def _format_of(body: bytes) -> str | None:
    try:
        return _WISH.decode(body).encoding_format
    except msgspec.ValidationError:
        return None


def routes(services: Services) -> tuple[Route, ...]:
    return (generation_route("/v1/embeddings", services, _refusing_bytes(media_step(services.media))),)
