"""Operations of the capability table's rows: requests that an engine answers.

Of a request whose schema the contract has, all is told; of all others what the proxy judges itself, since the rest of
the body is passed on as it came for the engine to judge.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from contract.capabilities import ENDPOINT_TYPES, STREAMED
from contract.keep import LONGEST, TEXT_LIMIT
from proxy.gateway.peeked import DENIED
from proxy.openapi.operation import (
    ANYTHING,
    BYTES,
    EVENTS,
    FORM,
    JSON,
    OBJECT,
    REFERENCE,
    Bodies,
    Operation,
    Parameter,
    Schema,
)

ENGINE_ERRORS = frozenset({"404", "4XX", "502", "504"})  # an engine's own refusals keep their status
# Of five figures, so that no sum of so many is more than may be asked for.
DURATION = r"^[+-]?([0-9]{1,9}(\.[0-9]{0,9})?|([0-9]{1,5}(\.[0-9]{0,6})?(ns|us|ms|s|m|h))+)$"

WAIT = Parameter(
    "x-roundhouse-wait",
    "header",
    "seconds that the request waits for its model to be ready; as long as the server's setting if left out",
    {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{0,9})?$"},
)
TRACE = Parameter(
    "traceparent", "header", "a W3C trace context, handed on to the engine; no valid one is none", {"type": "string"}
)

_NUMBER_OF_SECONDS = {"type": "number", "maximum": LONGEST}
READ_FIELDS: Mapping[str, Any] = {
    "model": {
        "type": ["string", "null"],
        "description": "a model's name or alias; without one, the default of the endpoint",
    },
    "stream": {"type": ["boolean", "null"], "description": "answer with server-sent events"},
    "keep_alive": {
        "description": 'how long the model stays without use: seconds, or a text such as "5m"; negative is for ever',
        "anyOf": [
            _NUMBER_OF_SECONDS,
            {"type": "string", "maxLength": TEXT_LIMIT, "pattern": DURATION},
            {"type": "null"},
        ],
    },
    "ttl": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": int(LONGEST),
        "description": "the same in whole seconds",
    },
}


def json_row(
    path: str,
    summary: str,
    *,
    request: type[BaseModel] | None = None,
    answer: Schema = OBJECT,
    is_anthropic: bool = False,
) -> Operation:
    """A row whose requests are JSON; `request` None: a body of which the proxy judges a few fields alone."""
    body: Schema = passed_on() if request is None else fields_of(request, READ_FIELDS)
    return _row(path, summary, {JSON: body}, answer, is_anthropic=is_anthropic)


def form_row(
    path: str,
    summary: str,
    files: Iterable[str],
    *,
    request: type[BaseModel] | None = None,
    answer: Schema = OBJECT,
) -> Operation:
    """A row whose requests are forms, with these files; the first must be there where the contract knows the form."""
    schema = _passed_on_form() if request is None else form_of(request)
    named = tuple(files)
    schema["properties"] = {**schema["properties"], **dict.fromkeys(named, BYTES)}
    if request is not None:
        schema["required"] = [*schema.get("required", ()), named[0]]
    return _row(path, summary, {FORM: schema}, answer)


def _row(path: str, summary: str, request: Bodies, answer: Schema, *, is_anthropic: bool = False) -> Operation:
    kinds = ", ".join(sorted(ENDPOINT_TYPES[path]))
    answers: Bodies = {JSON: answer, EVENTS: ANYTHING} if path in STREAMED else {JSON: answer}
    return Operation(
        method="POST",
        path=path,
        summary=f"{summary} Served by models of type {kinds}.",
        answers={200: answers},
        errors=ENGINE_ERRORS,
        request=request,
        parameters=(WAIT, TRACE),
        is_anthropic=is_anthropic,
    )


def passed_on() -> dict[str, Any]:
    """A body of which the proxy reads these fields and denies those; all others go to the engine as they are."""
    denied = {"type": "null", "description": "may not be set here"}
    return {
        "title": "PassedOn",
        "type": "object",
        "properties": {**READ_FIELDS, **dict.fromkeys(DENIED, denied)},
        "additionalProperties": True,
    }


def _passed_on_form() -> dict[str, Any]:
    """The same of a form, in which nothing is null."""
    return {
        "title": "PassedOnForm",
        "type": "object",
        "properties": {"model": {"type": "string"}, "stream": {"type": "boolean"}},
        "description": f"Fields that may not be set: {', '.join(DENIED)}.",
        "additionalProperties": True,
    }


def form_of(request: type[BaseModel]) -> dict[str, Any]:
    """A request of the contract's as a form: what is absent is left out of it, and no field is null."""
    schema = request.model_json_schema(ref_template=REFERENCE)
    schema["properties"] = {name: _never_null(field) for name, field in schema["properties"].items()}
    return schema


def fields_of(request: type[BaseModel], more: Mapping[str, Any]) -> dict[str, Any]:
    """A request of the contract's, in which a field that is null is absent; `more` fields are the proxy's own."""
    schema = request.model_json_schema(ref_template=REFERENCE)
    required = frozenset(schema.get("required", ()))
    for name, field in schema["properties"].items():
        if name not in required:
            schema["properties"][name] = _or_null(field)
    schema["properties"] = {**more, **schema["properties"]}
    return schema


def _or_null(field: Mapping[str, Any]) -> Mapping[str, Any]:
    if {"type": "null"} in field.get("anyOf", ()):
        return field
    return {"anyOf": [field, {"type": "null"}]}


def _never_null(field: Mapping[str, Any]) -> Mapping[str, Any]:
    if "anyOf" not in field:
        return field
    told = {name: value for name, value in field.items() if name != "default" or value is not None}
    return told | {"anyOf": [each for each in field["anyOf"] if each != {"type": "null"}]}


def words_of(name: str) -> str:
    """`/v1/images/edits` -> `v1_images_edits`: what the document names an operation by."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
