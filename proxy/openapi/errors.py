"""The answers that are no success: which an operation can have, and what they look like."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from contract.errors import Origin
from proxy.access.paths import is_guarded
from proxy.openapi.operation import FORM, JSON, Operation

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "400": "The request is at fault: its HTTP, its body, or a value in it, which `param` names.",
        "401": "A key of this server is missing, or unknown, or was revoked.",
        "403": "The key may not do this, or may not use the model; or a page of another origin asks.",
        "404": "There is no such model, response, key, artifact, file, upload, job or path.",
        "405": "The path does not take this method; `Allow` tells which it takes.",
        "408": "The request's head or body stopped coming.",
        "409": "What is there stands against it.",
        "413": "The body is larger than the server takes.",
        "414": "The URL is longer than the server takes.",
        "415": "The body's media type is another than the one that is asked for.",
        "416": "The content has no bytes in the range that was asked for.",
        "421": "The Host header is no name of this server.",
        "429": "A limit of the key or of its user is reached, or too many bad keys came from this address.",
        "431": "The head is larger than the server takes.",
        "4XX": "The engine refused the request; `origin` is `engine`.",
        "500": "A fault of the proxy's; its log says why.",
        "502": "The engine died, or its answer cannot be used.",
        "503": "The model or the server cannot take the request now.",
        "504": "The engine was silent for too long.",
        "507": "There is no room to keep it: the disk is full, or the caller has as much as may be had.",
    }
)

ALWAYS = frozenset({"400", "408", "414", "421", "431", "500"})
GUARDED = frozenset({"401", "403", "429", "503"})

_FIELDS = {"message": "cause and next step", "param": "the field at fault", "code": "for programs"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_OBJECT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "description": _FIELDS["message"]},
        "type": {"type": "string"},
        "param": {**_TEXT_OR_NULL, "description": _FIELDS["param"]},
        "code": {**_TEXT_OR_NULL, "description": _FIELDS["code"]},
        "origin": {"enum": [origin.value for origin in Origin], "description": "the part that failed"},
    },
    "required": ["message", "type", "param", "code", "origin"],
    "additionalProperties": False,
}

SCHEMAS: Mapping[str, Any] = MappingProxyType(
    {
        "Error": {
            "type": "object",
            "properties": {"error": _OBJECT},
            "required": ["error"],
            "additionalProperties": False,
        },
        # Anthropic's shape, around the same object.
        "MessagesError": {
            "type": "object",
            "properties": {"type": {"const": "error"}, "error": _OBJECT},
            "required": ["error"],
            "additionalProperties": False,
        },
    }
)


def errors_of(operation: Operation) -> tuple[str, ...]:
    """The statuses of failures that an operation can have, in order."""
    statuses = set(ALWAYS | operation.errors)
    if is_guarded(operation.path):
        statuses |= GUARDED
    if operation.request:
        statuses |= {"413", "415"} if operation.request.keys() & {JSON, FORM} else {"413"}
    if any(each.place == "path" for each in operation.parameters):
        statuses.add("404")
    return tuple(sorted(statuses - {str(status) for status in operation.answers}))
