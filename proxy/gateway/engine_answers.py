"""What an engine answered, held to what a caller may get. An engine is a hostile upstream.

A failed answer becomes an ApiError of origin engine: 4xx keep their status, for the request was at fault; so does a
503 with a code in words, which is a healthy engine's that could not do this one; all else is 502, for the engine was.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from contract.errors import DO_NOT_RETRY, ApiError, Origin
from contract.usage import Usage
from proxy.gateway.usage_report import usage_of

MESSAGE_LIMIT: Final = 2000

NO_HEADERS: Final[Mapping[bytes, bytes]] = MappingProxyType({})
JSON: Final = b"application/json"
_SPENT: Final[Mapping[bytes, bytes]] = MappingProxyType({b"x-should-retry": b"false"})
_DECODER: Final = msgspec.json.Decoder()


def require_json(content_type: bytes, body: bytes) -> Usage | None:
    """A good answer must be what it says it is -> what it says that it used. Raises ApiError (502)."""
    if content_type != JSON:
        raise _garbage(f"it is '{_text(content_type)}' and not JSON")
    try:
        usage = usage_of(body)
        if not body.isascii():
            body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _garbage("it is not valid JSON") from error
    return usage


def require_stream(content_type: bytes) -> None:
    """A good answer to a streamed request must be a stream of events. Raises ApiError (502)."""
    if content_type != b"text/event-stream":
        raise _garbage(f"it is '{_text(content_type)}' and not a stream of events")


def failure(status: int, body: bytes, headers: Mapping[bytes, bytes] = NO_HEADERS) -> ApiError:
    """A failed answer -> the error that the caller gets. Of its headers it keeps when, and whether, to ask again."""
    fields = _error_fields(body)
    message = _string(fields.get("message")) or f"The engine answered with status {status} and no reason."
    code = _string(fields.get("code"))
    param = _string(fields.get("param"))
    wait = headers.get(b"retry-after", b"")
    kept = {"retry-after": _text(wait)} if wait.isdigit() else {}
    if status == 503 and code is not None:
        kept |= DO_NOT_RETRY if headers.get(b"x-should-retry") == b"false" else {}
        return ApiError(503, code, _first_line(message), param=param, origin=Origin.ENGINE, headers=kept)
    if not 400 <= status < 500:
        return ApiError(502, "engine_error", f"The engine failed: {_first_line(message)}", origin=Origin.ENGINE)
    kind = _string(fields.get("type"))
    return ApiError(status, code, message, param=param, kind=_openai_kind(kind), origin=Origin.ENGINE, headers=kept)


def failure_event(document: bytes) -> ApiError:
    """The JSON document of an error inside a stream -> the error that the caller gets."""
    fields = _error_fields(document)
    code = fields.get("code")
    if isinstance(code, str):  # an engine of ours, whose events say no status
        ours = fields.get("type") != "invalid_request_error"
        return failure((500 if code == "engine_error" else 503) if ours else 400, document, _SPENT)
    return failure(code if isinstance(code, int) else 500, document)


def _error_fields(body: bytes) -> dict[str, object]:
    """The error object in the shapes that engines use: `{"error": {...}}`, the object itself, `{"detail": ...}`."""
    try:
        document = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    error = document.get("error", document)
    if isinstance(error, dict):
        return {"message": error.get("detail"), **error}
    return {"message": error}


def _string(value: object) -> str | None:
    """vLLM's `code` is the status as a number, which an OpenAI client does not expect."""
    return value[:MESSAGE_LIMIT] if isinstance(value, str) and value else None


def _openai_kind(kind: str | None) -> str | None:
    """vLLM names Python classes (`BadRequestError`); OpenAI's names are in lower case."""
    return kind if kind and kind.islower() else None


def _first_line(text: str) -> str:
    """Of a server's fault the rest is a traceback, which is for its log."""
    return text.partition("\n")[0]


def _text(value: bytes) -> str:
    return value[:80].decode("ascii", "replace")


def _garbage(why: str) -> ApiError:
    message = f"The engine's answer cannot be used: {why}."
    return ApiError(502, "engine_error", message, origin=Origin.ENGINE, headers=DO_NOT_RETRY)
