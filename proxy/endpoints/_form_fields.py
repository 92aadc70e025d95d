"""A form that was scanned and found sound: what it says, and the same without one of its fields."""

import re

from contract.errors import ApiError
from proxy.gateway.form_parts import FormParts
from proxy.gateway.headers import boundary_of

_NAME = re.compile(rb'\bname="?([^";\r\n]*)', re.IGNORECASE)


def fields_and_files(content_type: bytes, body: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, bytes]]]:
    """Names and texts, names and files."""
    parts = FormParts(_boundary(content_type), frozenset())
    parts.feed(body)
    parts.end()
    return parts.fields, [(file.name, file.content) for file in parts.files]


def without_field(content_type: bytes, body: bytes, name: str) -> tuple[bytes, str | None]:
    """A form -> the same without this field, and the last that it said."""
    mark = b"--" + _boundary(content_type)
    before, *parts = (b"\r\n" + body).split(b"\r\n" + mark)
    kept, value = [before], None
    for part in parts:
        head, _, rest = part.partition(b"\r\n\r\n")
        found = _NAME.search(head)
        if found is not None and found[1] == name.encode() and b"filename" not in head.lower():
            value = rest.decode(errors="replace")
        else:
            kept.append(part)
    return (b"\r\n" + mark).join(kept)[2:], value


def _boundary(content_type: bytes) -> bytes:
    boundary = boundary_of(content_type)
    if boundary is None:
        raise ApiError(400, "invalid_multipart", "The Content-Type names no boundary.")
    return boundary
