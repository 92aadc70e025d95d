"""POST /v1/artifacts/{id}/reproduce: the request that made it again, and whether the same bytes come of it."""

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from contract.artifacts import Reproduced, Reproducing, Sidecar
from contract.errors import DO_NOT_RETRY, ApiError
from proxy.access.admission import owner_of
from proxy.artifacts.facts import Entry
from proxy.artifacts.pictures import FILES, Asked, once
from proxy.endpoints._again import cannot, deleted
from proxy.endpoints._artifact_view import Addresses
from proxy.endpoints._generation import JSON, Dispatch
from proxy.endpoints._video_fields import Reference, VideoWish
from proxy.endpoints._video_intake import PATH as VIDEOS
from proxy.endpoints._video_intake import VideoIntake
from proxy.gateway.asgi import COSTLY, MODEL, Message, Scope, Send, respond_json
from proxy.gateway.headers import form_type
from proxy.gateway.peek import peek
from proxy.gateway.peeked import Peeked
from proxy.services import Services

PATHS = ("/v1/images/generations", "/v1/images/edits", "/v1/images/variations")


class Reproduction:
    """Raises ApiError: 409 for what cannot be made again, and all that making a picture raises."""

    def __init__(self, services: Services) -> None:
        self._store = services.artifacts
        self._gallery = services.gallery
        self._addresses = Addresses(services.artifacts)
        self._intake = VideoIntake(services)
        forwarder = services.image_forwarder
        self._dispatches: Mapping[str, Dispatch] = {path: Dispatch(path, services, forwarder) for path in PATHS}

    async def __call__(self, scope: Scope, send: Send, artifact_id: str) -> None:
        owner = owner_of(scope)
        original = await self._store.get(owner, artifact_id)
        if original.request is None or original.model is None:
            raise cannot("only what was made here is made again, where its request was remembered")
        if original.endpoint == VIDEOS:
            await self._clip(scope, send, original)
            return
        dispatch = self._dispatches.get(original.endpoint or "")
        if dispatch is None:
            raise cannot("only pictures and clips are made again")
        await self._store.require_room(owner)
        files = original.request.get(FILES, [])
        fields = {"model": original.model, **once(original.request, original.seed)}
        fields.pop(FILES, None)
        peeked, body, content_type = await self._request(owner, fields, files)
        scope[COSTLY] = True
        answer = Collected()
        await dispatch(scope, answer, peeked, body, content_type)
        pairs = tuple((file["field"], file["artifact"]) for file in files)
        asked = Asked(owner, original.endpoint or "", scope[MODEL], fields, pairs)
        kept = await self._gallery.keep(asked, answer.body)
        if not kept:
            raise ApiError(502, "engine_error", "The engine answered without a picture.", headers=DO_NOT_RETRY)
        told = Reproduced(
            original=original.id,
            equal=kept[0].sha256 == original.sha256,
            artifact=self._addresses.view(scope, Entry(kept[0])),
        )
        await respond_json(send, 200, told.model_dump_json().encode())

    async def _clip(self, scope: Scope, send: Send, original: Sidecar) -> None:
        """A clip takes its time: a job makes it. When it is over, both clips tell in `same_bytes` if they are equal."""
        seed = {} if original.seed is None else {"seed": original.seed}
        picture = Reference(artifact=original.parents[0]) if original.parents else None
        wish = VideoWish(original.model, {**(original.request or {}), **seed}, picture)
        job = (await self._intake.create_again(scope, wish)).job
        await respond_json(send, 202, Reproducing(original=original.id, job=job.id).model_dump_json().encode())

    async def _request(
        self, owner: str, fields: dict[str, Any], files: list[dict[str, str]]
    ) -> tuple[Peeked, bytes, bytes]:
        """What was read of it, body and content type: a form where files came with it."""
        if not files:
            body = msgspec.json.encode(fields)
            return peek(body), body, JSON
        boundary = secrets.token_hex(16).encode()
        parts = [_part(boundary, name, "", _text(value)) for name, value in fields.items()]
        for file in files:
            content = await self._input(owner, file["artifact"])
            parts.append(_part(boundary, file["field"], f'; filename="{file["artifact"]}"', content))
        return Peeked(model=fields["model"]), b"".join((*parts, b"--", boundary, b"--\r\n")), form_type(boundary)

    async def _input(self, owner: str, artifact_id: str) -> bytes:
        try:
            return await (await self._store.content(owner, artifact_id)).read_all()
        except ApiError as error:
            if error.status != 404:
                raise
            raise deleted(artifact_id) from error


class Collected:
    """A `send` that keeps a plain answer's body."""

    def __init__(self) -> None:
        self.body = b""

    async def __call__(self, message: Message) -> None:
        self.body += message.get("body", b"")


def _part(boundary: bytes, name: str, more: str, value: bytes) -> bytes:
    head = f'content-disposition: form-data; name="{name}"{more}\r\n'.encode()
    kind = b"content-type: application/octet-stream\r\n" if more else b""
    return b"".join((b"--", boundary, b"\r\n", head, kind, b"\r\n", value, b"\r\n"))


def _text(value: object) -> bytes:
    return (value if isinstance(value, str) else msgspec.json.encode(value).decode()).encode()
