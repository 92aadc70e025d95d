"""A multipart request that an engine answers: scanned as it comes, and the bytes passed through."""

from contract.errors import ApiError
from proxy.endpoints._generation import Dispatch
from proxy.gateway.asgi import Message, Receive, Scope, Send, headers_of
from proxy.gateway.body import CLOSE, read_body
from proxy.gateway.form import FormScan
from proxy.gateway.headers import boundary_of, form_type, is_form


class FormGeneration:
    """A row of the capability table whose requests are multipart forms of `upload_size` bytes. Raises ApiError."""

    def __init__(self, dispatch: Dispatch, upload_size: int) -> None:
        self._dispatch = dispatch
        self._upload_size = upload_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        boundary = require_form(headers_of(scope).get(b"content-type"))
        scan = FormScan(boundary)

        async def scanned() -> Message:
            message = await receive()
            scan.feed(message.get("body", b""))
            return message

        body = await read_body(scope, scanned, self._upload_size)
        await self._dispatch(scope, send, scan.end(), body, form_type(boundary))


def require_form(content_type: bytes | None) -> bytes:
    """A request's Content-Type -> the form's boundary. Raises ApiError (400, 415)."""
    if content_type is None or not is_form(content_type):
        message = "Send the body as 'Content-Type: multipart/form-data'."
        raise ApiError(415, "unsupported_media_type", message, headers=CLOSE)
    boundary = boundary_of(content_type)
    if boundary is None:
        message = "The Content-Type must name one boundary, of at most 70 of the characters that a boundary may have."
        raise ApiError(400, "invalid_multipart", message, headers=CLOSE)
    return boundary
