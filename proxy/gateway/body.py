"""Reading a request's body, bounded in size."""

import io
from typing import Final

from contract.errors import DO_NOT_RETRY, ApiError
from contract.sizes import show_bytes
from proxy.gateway.asgi import BODY_WHOLE, Receive, Scope, headers_of

# What is unread of the body must not be taken for the next request.
CLOSE: Final = {"connection": "close", **DO_NOT_RETRY}


class ClientLeft(Exception):
    """The caller closed the connection before its request was whole."""


def whole_body(scope: Scope, limit: int) -> bytes | None:
    """The whole body where it came with the head; None: `read_body`. Raises ApiError (413)."""
    body: bytes | None = scope.pop(BODY_WHOLE, None)
    if body is not None and len(body) > limit:
        raise _too_large(limit)
    return body


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body, `limit` bytes at most. Raises ApiError (413) and ClientLeft.

    A body that stops coming is `protocol.py`'s to end.
    """
    length = headers_of(scope).get(b"content-length")
    if length is not None and int(length) > limit:
        raise _too_large(limit)
    whole = io.BytesIO()  # which grows in place: to join megabytes in the end is a step that streams would feel
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part: bytes = message["body"]
        more = message["more_body"]
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        if size == len(part) and not more:
            return part
        whole.write(part)
    return whole.getvalue()


def _too_large(limit: int) -> ApiError:
    message = f"The request's body is larger than {show_bytes(limit)}; send a smaller one."
    return ApiError(413, "payload_too_large", message, headers=CLOSE)
