"""Request bodies: bounded before they are read, and JSON that is what it says."""

import json
from collections.abc import Mapping
from typing import NoReturn

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from images.diffusers.server.errors import ClientLeft, refused

JSON_MOST = 64 * 2**20
FORM_MOST = 256 * 2**20
DEPTH_MOST = 16


async def read(scope: Scope, receive: Receive, most: int) -> bytes:
    """The whole body. Raises ApiError 413 beyond `most` bytes, before reading where the length is told."""
    length = Headers(scope=scope).get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise _too_large(most)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        body += message.get("body", b"")
        if len(body) > most:
            raise _too_large(most)
        if not message.get("more_body"):
            return bytes(body)


def _too_large(most: int) -> Exception:
    return refused("payload_too_large", f"The body is larger than {most // 2**20} MiB.", status=413)


def media_type(scope: Scope) -> str:
    """The content type without its parameters, in lower case. Raises ApiError 415 for a charset but UTF-8."""
    kind, _, parameters = Headers(scope=scope).get("content-type", "").lower().partition(";")
    if "charset=" in parameters and parameters.split("charset=")[1].strip(' "') not in {"utf-8", "utf8"}:
        raise refused("unsupported_media_type", "Bodies are UTF-8.", status=415)
    return kind.strip()


def require(scope: Scope, *kinds: str) -> str:
    """Which of these the body is. Raises ApiError 415."""
    kind = media_type(scope)
    if kind not in kinds:
        raise refused("unsupported_media_type", f"Send the body as {' or '.join(kinds)}.", status=415)
    return kind


def json_object(body: bytes) -> dict[str, object]:
    """The fields of a JSON object; those that are null are absent. Raises ApiError 400 for anything else."""
    try:
        value = json.loads(body.decode(), parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise refused("invalid_json", "The body is not valid JSON in UTF-8.") from error
    if not isinstance(value, dict):
        raise refused("invalid_json", "The body has to be a JSON object.")
    if _depth(value) > DEPTH_MOST:
        raise refused("invalid_json", "The body is nested too deeply.")
    return {name: field for name, field in value.items() if field is not None}


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands twice")
    return fields


def _depth(value: object) -> int:
    """How deep a parsed document is, counted level by level."""
    depth, level = 0, [value]
    while level and depth <= DEPTH_MOST:
        depth += 1
        level = [inner for outer in level for inner in _inside(outer)]
    return depth


def _inside(value: object) -> list[object]:
    parts = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return [part for part in parts if isinstance(part, Mapping | list)]
