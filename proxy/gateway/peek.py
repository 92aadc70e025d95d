"""Reading a request's body without touching it: one native scan, and the original bytes are what is sent on.

The scan holds the body to: JSON in UTF-8 without a byte order mark, an object, no NaN, no lone surrogate, no NUL, at
most DEPTH_LIMIT levels deep, none of the fields that reach further into an engine than a caller may. All other fields
are the engine's to judge.
"""

import re
from typing import Final

import msgspec

from contract.errors import ApiError
from proxy.gateway.peeked import DENIED, Peeked

DEPTH_LIMIT: Final = 64

_BUT_BRACKETS_AND_QUOTES: Final = bytes(set(range(256)) - set(b'[]{}"'))
_ALL_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_FIELD: Final = re.compile(r"at `\$\.([A-Za-z_]+)")

_DECODER: Final = msgspec.json.Decoder(Peeked)


def peek(body: bytes) -> Peeked:
    """The body of a request -> what we read of it. Raises ApiError (400), with the field in `param`."""
    peeked = decode(body)
    if not body.isascii():  # the scan skips over strings that it does not read
        _refuse_other_text(body)
    if body.find(b"\\") >= 0 and b"\\u0000" in body:  # the first is found many times faster, and seldom there
        _refuse_nul(body)
    if _has_many(body, b"[") or _has_many(body, b"{"):
        _refuse_depth(body)
    return peeked


def _has_many(body: bytes, bracket: bytes) -> bool:
    """Whether there are enough for half of the depth: leaving them out is done many times faster than counting them."""
    return len(body) - len(body.replace(bracket, b"")) > DEPTH_LIMIT // 2


def decode(body: bytes) -> Peeked:
    """The native scan alone. Raises ApiError (400)."""
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_field(str(error)) from error
    except msgspec.DecodeError as error:
        raise _refusal(f"The body is not valid JSON in UTF-8: {error}.") from error
    except UnicodeDecodeError as error:
        raise not_utf8() from error
    except RecursionError as error:
        raise too_deep() from error


def _wrong_field(reason: str) -> ApiError:
    found = _FIELD.search(reason)
    if found is None:
        return _refusal("The body must be a JSON object.")
    field = found[1]
    if field in DENIED:
        return ApiError(400, "unsupported_parameter", f"'{field}' may not be set here; leave it out.", param=field)
    return ApiError(400, "invalid_type", f"'{field}': {reason.partition(' - at ')[0]}.", param=field)


def _refuse_other_text(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise not_utf8() from error


def _refuse_nul(body: bytes) -> None:
    # An escaped backslash before it makes `u0000` plain text.
    if b"\\u0000" in body.replace(rb"\\", b""):
        raise nul_refused()


def _refuse_depth(body: bytes) -> None:
    """Strings out, then one level of brackets at a time: passes of C over ever fewer bytes."""
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    outside = unescaped.translate(_ALL_SQUARE, _BUT_BRACKETS_AND_QUOTES).split(b'"')[::2]
    nesting = b"".join(outside)
    for _ in range(DEPTH_LIMIT):
        nesting = nesting.replace(b"[]", b"")
    if nesting:
        raise too_deep()


def not_utf8() -> ApiError:
    return _refusal("The body is not valid JSON in UTF-8: a byte that is not UTF-8.")


def nul_refused() -> ApiError:
    return _refusal("The body holds the character U+0000; leave it out.")


def too_deep() -> ApiError:
    return _refusal(f"The body is nested deeper than {DEPTH_LIMIT} levels.")


def _refusal(message: str) -> ApiError:
    return ApiError(400, "invalid_json", message)
