"""Reading a request's body, bounded in size."""

from contract.errors import DO_NOT_RETRY, ApiError
from contract.sizes import show_bytes
from proxy.gateway.asgi import Message, Receive, Scope, headers_of

# What is unread of the body must not be taken for the next request.
CLOSE = {"connection": "close", **DO_NOT_RETRY}


class ClientLeft(Exception):
    """The caller closed the connection before its request was whole."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body, `limit` bytes at most. Raises ApiError (413) and ClientLeft.

    A body that stops coming is `protocol.py`'s to end.
    """
    _refuse_announced(headers_of(scope).get(b"content-length"), limit)
    part = await _next_part(receive)
    if not part["more_body"]:
        return _bounded(part, 0, limit)
    parts: list[bytes] = []
    size = 0
    while True:
        parts.append(_bounded(part, size, limit))
        size += len(parts[-1])
        if not part["more_body"]:
            return b"".join(parts)
        part = await _next_part(receive)


def _refuse_announced(length: bytes | None, limit: int) -> None:
    if length is not None and int(length) > limit:
        raise _too_large(limit)


async def _next_part(receive: Receive) -> Message:
    part = await receive()
    if part["type"] == "http.disconnect":
        raise ClientLeft
    return part


def _bounded(part: Message, before: int, limit: int) -> bytes:
    data: bytes = part["body"]
    if before + len(data) > limit:
        raise _too_large(limit)
    return data


def _too_large(limit: int) -> ApiError:
    message = f"The request's body is larger than {show_bytes(limit)}; send a smaller one."
    return ApiError(413, "payload_too_large", message, headers=CLOSE)
