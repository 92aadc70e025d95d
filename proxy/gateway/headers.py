"""Headers: request ids, and heads of the requests that we send, built fresh.

Nothing of a caller's header reaches a server behind us, and nothing of an engine's header but its media type reaches
a caller: so no hop-by-hop header, key or cookie can pass.
"""

import os
import re
from collections.abc import Mapping
from itertools import count
from typing import Final

from contract.errors import ApiError

TRACE: Final = b"traceparent"

_SANE_ID: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_TRACE: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_UNSAFE: Final = re.compile(rb"[\x00-\x20\x7f]")
_BOUNDARIES: Final = re.compile(rb";\s*boundary\s*=\s*(?:\"([^\"]*)\"|([^\s;\"]*))", re.IGNORECASE)
_SECONDS: Final = re.compile(rb"[0-9]{1,9}(\.[0-9]{0,9})?")
_SANE_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046


class RequestIds:
    """Ids of requests: the caller's own where it is sane, else one that no other process makes."""

    def __init__(self) -> None:
        self._prefix = b"req-" + os.urandom(6).hex().encode() + b"-"
        self._numbers = count(1)

    def choose(self, offered: bytes | None) -> bytes:
        """The value of a request's `x-request-id` header, or None -> the id to use."""
        if offered is not None and _SANE_ID.fullmatch(offered):
            return offered
        return self._prefix + b"%d" % next(self._numbers)


def request_head(method: bytes, target: bytes, authority: bytes, headers: Mapping[bytes, bytes]) -> bytes:
    """The bytes of a request's head. Raises ValueError for a target that could end the line."""
    if _UNSAFE.search(target):
        raise ValueError("a request target may not hold spaces or control characters")
    lines = [method, b" ", target, b" HTTP/1.1\r\nhost: ", authority]
    for name, value in headers.items():
        lines += (b"\r\n", name, b": ", value)
    lines.append(b"\r\n\r\n")
    return b"".join(lines)


def engine_head(  # noqa: PLR0917
    line: bytes, authority: bytes, content_type: bytes, length: int, request_id: bytes, trace: bytes = b""
) -> bytes:
    """The head of a request to an engine: the hot path's own, in one step. All parts are ours; `line` is `POST /x`."""
    return (b"%b HTTP/1.1\r\nhost: %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b\r\n") % (
        line,
        authority,
        content_type,
        length,
        request_id,
        trace,
    )


def trace_id_of(value: bytes | None) -> bytes | None:
    """The value of a request's `traceparent` (W3C) -> the trace's id; None where there is none, or no valid one."""
    found = _TRACE.fullmatch(value) if value is not None else None
    return found[1] if found is not None and found[1].strip(b"0") and found[2].strip(b"0") else None


def trace_line(value: bytes | None) -> bytes:
    """The value of a request's `traceparent` -> the line that hands it on; nothing where it is not valid.

    The caller's span is the engine's parent, as the standard asks of who makes none; `proxy/otlp.py` makes some.
    """
    return b"traceparent: %b\r\n" % value if value is not None and trace_id_of(value) is not None else b""


def wait_of(value: bytes | None) -> float | None:
    """The value of `x-roundhouse-wait` -> seconds that a request waits for its model; None: it does not say.

    Raises ApiError (400).
    """
    if value is None:
        return None
    if not _SECONDS.fullmatch(value):
        message = "'x-roundhouse-wait' is a number of seconds, such as 0, 2.5 or 60."
        raise ApiError(400, "invalid_value", message, param="x-roundhouse-wait")
    return float(value)


def is_json(content_type: bytes | None) -> bool:
    """Whether a request's Content-Type says JSON in UTF-8."""
    if content_type == b"application/json":
        return True
    media, _, parameters = (content_type or b"").lower().partition(b";")
    if media.strip() != b"application/json":
        return False
    charset = re.search(rb"charset\s*=\s*\"?([^\s\";]*)", parameters)
    return charset is None or charset[1] == b"utf-8"


def is_form(content_type: bytes | None) -> bool:
    """Whether a request's Content-Type says multipart/form-data."""
    return (content_type or b"").partition(b";")[0].strip().lower() == b"multipart/form-data"


def boundary_of(content_type: bytes) -> bytes | None:
    """The boundary that a form's Content-Type names, once and as the standard has it; else None."""
    found = [quoted or bare for quoted, bare in _BOUNDARIES.findall(content_type)]
    return found[0] if len(found) == 1 and _SANE_BOUNDARY.fullmatch(found[0]) else None


def form_type(boundary: bytes) -> bytes:
    """The Content-Type of a form with this boundary."""
    return b'multipart/form-data; boundary="%b"' % boundary
