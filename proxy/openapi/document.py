"""The OpenAPI document: operations -> one JSON object. Pure."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from proxy.access.paths import is_guarded
from proxy.openapi.errors import REASONS, SCHEMAS, errors_of
from proxy.openapi.operation import JSON, REFERENCE, Bodies, Operation, Schema
from proxy.openapi.rows import words_of

OPENAPI = "3.1.0"
VERSION = "1"
DESCRIPTION = (
    "An OpenAI-compatible gateway. GET takes HEAD as well, and every path takes OPTIONS. Every failure is the error "
    "object of OpenAI, with a fifth field, `origin`; every answer has an `x-request-id`, which is the request's own "
    "where that is sane. Where the server has keys, a key is asked for on every path but the public ones, and paths "
    "below `/admin` and `/metrics` need an admin's."
)
SIGNATURE = (
    "Of an address of this server's own making, with its `expires`: it opens one artifact's content and thumbnail, "
    "without a key, until that time."
)
SUCCESSES: Mapping[int, str] = MappingProxyType(
    {201: "It is kept.", 202: "It is begun.", 206: "The range that was asked for.", 304: "The caller has it already."}
)
RATE_HEADERS = tuple(
    f"x-ratelimit-{what}-{kind}" for kind in ("requests", "tokens") for what in ("limit", "remaining", "reset")
)


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The whole document. Raises ValueError where two operations claim the same method and path."""
    schemas: dict[str, Any] = dict(SCHEMAS)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        methods = paths.setdefault(operation.path, {})
        if operation.method.lower() in methods:
            raise ValueError(f"{operation.method} {operation.path} is described twice")
        methods[operation.method.lower()] = _render(operation, schemas)
    return {
        "openapi": OPENAPI,
        "info": {"title": "Roundhouse", "version": VERSION, "description": DESCRIPTION},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas,
            "headers": _headers(),
            "responses": _failures(),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "signature": {"type": "apiKey", "in": "query", "name": "signature", "description": SIGNATURE},
            },
        },
    }


def _render(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}_{words_of(operation.path) or 'page'}",
        "summary": operation.summary,
        "security": _security(operation),
        "responses": _responses(operation, schemas),
    }
    if operation.parameters:
        told["parameters"] = [parameter.render() for parameter in operation.parameters]
    if operation.request:
        told["requestBody"] = {"required": True, "content": _content(operation.request, schemas)}
    return told


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if not is_guarded(operation.path):
        return []
    return [{"key": []}, {"signature": []}] if operation.is_signable else [{"key": []}]


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    headers = _header_references(operation)
    told: dict[str, Any] = {
        str(status): {
            "description": SUCCESSES.get(status, "Success." if 200 <= status < 300 else "As the media type says."),
            "headers": headers,
            **({"content": _content(bodies, schemas)} if bodies else {}),
        }
        for status, bodies in operation.answers.items()
    }
    suffix = "_of_messages" if operation.is_anthropic else ""
    return told | {
        status: {"$ref": f"#/components/responses/failure_{status}{suffix}"} for status in errors_of(operation)
    }


def _content(bodies: Bodies, schemas: dict[str, Any]) -> dict[str, Any]:
    return {media_type: {"schema": _schema(schema, schemas)} for media_type, schema in bodies.items()}


def _schema(schema: Schema, schemas: dict[str, Any]) -> Mapping[str, Any]:
    """What has a title moves to the components, with all that it refers to."""
    told = schema.model_json_schema(ref_template=REFERENCE) if isinstance(schema, type) else dict(schema)
    schemas.update(told.pop("$defs", {}))
    if "title" not in told:
        return told
    schemas[told["title"]] = told
    return {"$ref": REFERENCE.format(model=told["title"])}


def _failures() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for status, reason in REASONS.items():
        for suffix, name in (("", "Error"), ("_of_messages", "MessagesError")):
            made[f"failure_{status}{suffix}"] = {
                "description": reason,
                "headers": _failure_headers(status),
                "content": {JSON: {"schema": {"$ref": REFERENCE.format(model=name)}}},
            }
    return made


def _failure_headers(status: str) -> dict[str, Any]:
    names = ["x-request-id", "x-should-retry", *RATE_HEADERS]
    names += {"401": ["www-authenticate"], "405": ["allow"], "416": ["content-range"]}.get(status, [])
    if status in {"429", "503", "502", "4XX"}:
        names.append("retry-after")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header_references(operation: Operation) -> dict[str, Any]:
    names = ("x-request-id", *operation.headers, *(RATE_HEADERS if is_guarded(operation.path) else ()))
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _headers() -> dict[str, Any]:
    told = {
        "x-request-id": ("the id that the log has", {"type": "string", "minLength": 1, "maxLength": 128}),
        "retry-after": ("seconds until it is worth asking again", {"type": "string", "pattern": "^[0-9]+$"}),
        "x-should-retry": ("the same request would meet the same failure", {"const": "false"}),
        "www-authenticate": ("how to send a key", {"const": "Bearer"}),
        "allow": ("the methods of the path", {"type": "string"}),
        "etag": ("of the bytes", {"type": "string", "pattern": '^"[^"]*"$'}),
        "accept-ranges": ("parts of it may be asked for", {"const": "bytes"}),
        "content-range": ("which bytes of how many", {"type": "string", "pattern": r"^bytes (\d+-\d+|\*)/\d+$"}),
        "content-disposition": ("the file's name, and whether a page may show it", {"type": "string"}),
        "openai-poll-after-ms": ("when asking again is worth it", {"type": "string", "pattern": "^[0-9]+$"}),
    }
    told |= {name: ("of the key, or of its user, whichever has less left", {"type": "string"}) for name in RATE_HEADERS}
    required = frozenset({"x-request-id"})
    return {
        name: {"description": description, "required": name in required, "schema": schema}
        for name, (description, schema) in told.items()
    }
