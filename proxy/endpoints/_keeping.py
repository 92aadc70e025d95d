"""Requests for pictures, whose pictures are kept: what was asked is noted, the answer watched as it passes.

The engine is always asked for bytes. Where the caller wants addresses (`response_format: url`), the pictures are kept
first and the answer tells where; where it wants bytes, it has them before they are kept.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from contract.errors import ApiError
from proxy.access.admission import owner_of
from proxy.artifacts.gallery import Gallery
from proxy.artifacts.pictures import Asked, lift, pictures_in_events
from proxy.artifacts.store import ArtifactStore
from proxy.endpoints._artifact_view import Addresses
from proxy.endpoints._form_fields import fields_and_files, without_field
from proxy.gateway.asgi import MODEL, START, App, Message, Receive, Scope, Send, headers_of
from proxy.gateway.headers import is_form

WISH = "roundhouse.wish"  # in the scope: what was asked
FORMAT = "response_format"
COMPLETED = b'.completed"'
LARGE = 64 * 2**10  # bytes of a body that are not read on the loop

_JSON = msgspec.json.Decoder(dict[str, Any])
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Wish:
    """One request's. `body` as it was sent: what is in a form's files is read once there is something to keep."""

    __slots__ = ("_body", "_form_type", "_owner", "_path", "_scope", "wants_address")

    def __init__(self, scope: Scope, body: bytes, wants_address: bool) -> None:
        self._scope = scope
        self._body = body
        self._path: str = scope["path"]
        self._form_type = headers_of(scope)[b"content-type"]
        self._owner = owner_of(scope)
        self.wants_address = wants_address

    async def asked(self, gallery: Gallery) -> Asked:
        """What was asked, with the files that came with it kept. Raises ApiError."""
        model: str = self._scope[MODEL]
        if not is_form(self._form_type):
            fields = await asyncio.to_thread(_JSON.decode, self._body)
            return Asked(self._owner, self._path, model, fields)
        said, files = await asyncio.to_thread(fields_and_files, self._form_type, self._body)
        kept = [(name, await gallery.keep_input(self._owner, content)) for name, content in files]
        return Asked(self._owner, self._path, model, dict(said), tuple(kept))


def keeping_step(store: ArtifactStore) -> Callable[[Scope, bytes], Awaitable[bytes] | None]:
    """The step of an admitted request: it notes the wish, and the engine gets no word of addresses."""

    def prepare(scope: Scope, body: bytes) -> Awaitable[bytes] | None:
        if FORMAT.encode() not in body:
            scope[WISH] = Wish(scope, body, False)
            return None
        return _without_format(store, scope, body)

    return prepare


async def _without_format(store: ArtifactStore, scope: Scope, body: bytes) -> bytes:
    """Raises ApiError: 400 for a format that is none, 507 before the work where nothing can be kept."""
    content_type = headers_of(scope)[b"content-type"]
    cut = partial(without_field, content_type) if is_form(content_type) else _cut_member
    rest, wanted = await asyncio.to_thread(cut, body, FORMAT) if len(body) > LARGE else cut(body, FORMAT)
    if wanted not in (None, "url", "b64_json"):
        raise ApiError(400, "invalid_value", "'response_format' is url or b64_json.", param=FORMAT)
    if wanted == "url":
        await store.require_room(owner_of(scope))
    scope[WISH] = Wish(scope, rest, wanted == "url")
    return rest


def _cut_member(body: bytes, name: str) -> tuple[bytes, object]:
    members = _MEMBERS.decode(body)
    if name not in members:
        return body, None
    value = msgspec.json.decode(members.pop(name))
    return msgspec.json.encode(members), value


class Keeping:
    """Around an endpoint that makes pictures."""

    def __init__(self, app: App, gallery: Gallery, addresses: Addresses) -> None:
        self._app = app
        self._gallery = gallery
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, Watch(scope, send, self._gallery, self._addresses))


class Watch:
    """The `send` of such a request."""

    __slots__ = ("_addresses", "_asked", "_gallery", "_scope", "_send")

    def __init__(self, scope: Scope, send: Send, gallery: Gallery, addresses: Addresses) -> None:
        self._scope = scope
        self._send = send
        self._gallery = gallery
        self._addresses = addresses
        self._asked: Asked | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == START and "body" in message:
            await self._answer(message)
            return
        await self._send(message)
        if COMPLETED in message.get("body", b""):
            await self._gallery.keep_later(self._what, message["body"], pictures_in_events)

    async def _answer(self, message: Message) -> None:
        """A whole answer, in one message."""
        wish: Wish = self._scope[WISH]
        if wish.wants_address:
            await self._send({**message, "body": await self._with_addresses(message["body"])})
        else:
            await self._send(message)
            await self._gallery.keep_later(self._what, message["body"])

    async def _with_addresses(self, answer: bytes) -> bytes:
        kept = await self._gallery.keep(await self._what(), answer)
        return await asyncio.to_thread(_placed, answer, [self._addresses.url(self._scope, each.id) for each in kept])

    async def _what(self) -> Asked:
        if self._asked is None:
            wish: Wish = self._scope[WISH]
            self._asked = await wish.asked(self._gallery)
        return self._asked


def _placed(answer: bytes, addresses: list[str]) -> bytes:
    """An answer's pictures -> where they are."""
    document = _JSON.decode(lift(answer)[0])
    rest = iter(addresses)
    for each in document["data"]:
        if each.pop("b64_json", None):
            each["url"] = next(rest)
    return msgspec.json.encode(document)
