"""An artifact's bytes as an answer: whole or a range, again only if they changed, and nothing that runs."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import MappingProxyType
from urllib.parse import quote

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.artifacts.kinds import ANYTHING, TYPES
from proxy.artifacts.stored_file import StoredFile
from proxy.gateway.asgi import RawHeaders, Scope, Send, headers_of

# Whatever a page does with it, it gets no origin, no script and no network.
INERT: RawHeaders = [
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"private, max-age=3600"),
]
SHOWN = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})  # and sounds and clips
_RANGE = re.compile(rb"bytes=([0-9]{0,18})-([0-9]{0,18})")
_SAFE = MappingProxyType(str.maketrans(dict.fromkeys('"\\/\r\n', "_")))


async def send_content(scope: Scope, send: Send, file: StoredFile) -> None:
    """200, 206 or 304. Raises ApiError (416, 500): the latter before the head, unless a large file is damaged late."""
    headers = headers_of(scope)
    tag = file.etag.encode()
    caching: RawHeaders = [(b"etag", tag), (b"accept-ranges", b"bytes"), *INERT]
    if _is_known(headers.get(b"if-none-match"), tag):
        await send({"type": "http.response.start", "status": 304, "headers": [*_described(file), *caching]})
        await send({"type": "http.response.body", "body": b""})
        return
    wanted = headers.get(b"range") if headers.get(b"if-range", tag) == tag else None
    part = _range_of(wanted, file.size) if wanted is not None else None
    start, end = part or (0, file.size)
    answer = [*_described(file), (b"content-length", b"%d" % (end - start)), *caching]
    if part is not None:
        answer.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, file.size)))
    status = 200 if part is None else 206
    begin: dict[str, object] = {"type": "http.response.start", "status": status, "headers": answer}
    if scope["method"] == "HEAD":
        await send(begin)
        await send({"type": "http.response.body", "body": b""})
        return
    async with aclosing(file.read(start, end)) as pieces:
        await _send_all(send, begin, pieces)


async def _send_all(send: Send, begin: dict[str, object], pieces: AsyncGenerator[bytes, None]) -> None:
    """The head waits for the first piece: until then a failure has its status."""
    first = await anext(pieces, b"")
    await send(begin)
    await send({"type": "http.response.body", "body": first, "more_body": True})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _described(file: StoredFile) -> RawHeaders:
    mime = file.mime if file.mime in TYPES else ANYTHING
    is_shown = mime in SHOWN or mime.startswith(("video/", "audio/"))
    name = file.filename or file.sidecar.id
    plain = name.encode("ascii", "replace").decode().translate(_SAFE)
    said = f"{'inline' if is_shown else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return [(b"content-type", mime.encode()), (b"content-disposition", said.encode())]


def _is_known(offered: bytes | None, tag: bytes) -> bool:
    """Whether a caller's `if-none-match` names what there is."""
    if offered is None:
        return False
    return offered.strip() == b"*" or tag in {each.strip().removeprefix(b"W/") for each in offered.split(b",")}


def _range_of(wanted: bytes, size: int) -> tuple[int, int] | None:
    """A `range` header -> from, and before; None for one that may be passed over. Raises ApiError (416)."""
    found = _RANGE.fullmatch(wanted.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= size or start >= end:
        headers = {"content-range": f"bytes */{size}", **DO_NOT_RETRY}
        raise ApiError(416, "range_not_satisfiable", f"The content has {size} bytes.", headers=headers)
    return start, end


def picture_type(picture: bytes) -> bytes:
    """The media type of a small picture: ours are WEBP, an engine's own may be another."""
    if picture.startswith(b"RIFF"):
        return b"image/webp"
    return b"image/png" if picture.startswith(b"\x89PNG") else b"image/jpeg"
