"""`/v1/uploads` as OpenAI's SDK speaks it: large files in parts, which may go on after any break.

POST   /v1/uploads                  what is to come
POST   /v1/uploads/{id}/parts       a part, as a form
POST   /v1/uploads/{id}/complete    the order of the parts; it becomes a file, and an artifact
POST   /v1/uploads/{id}/cancel
GET    /v1/uploads/{id}             ours: which parts have come
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from contract.errors import ApiError
from contract.files import (
    Asked,
    FileView,
    PartView,
    UploadCompletion,
    UploadPart,
    UploadStatus,
    UploadView,
    UploadWish,
)
from proxy.access.admission import owner_of
from proxy.artifacts.facts import Facts
from proxy.artifacts.store import ArtifactStore
from proxy.artifacts.upload_folder import Upload
from proxy.endpoints._generation import require_json
from proxy.endpoints._upload_form import UploadForm
from proxy.endpoints.files import as_file
from proxy.gateway.asgi import Receive, Scope, Send, headers_of, respond_json
from proxy.gateway.body import read_body
from proxy.openapi.uploads import UPLOAD_OPERATIONS, UPLOADS
from proxy.router import REST, Route
from proxy.services import Services

OPERATIONS = UPLOAD_OPERATIONS

BODY_SIZE = 2**20

Wish = TypeVar("Wish", bound=Asked)


class Beginning:
    """POST /v1/uploads."""

    def __init__(self, store: ArtifactStore) -> None:
        self._uploads = store.uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wish = await _read(scope, receive, UploadWish)
        lifetime = float(wish.expires_after.seconds) if wish.expires_after is not None else None
        facts = Facts(purpose=wish.purpose, lifetime=lifetime)
        upload = await self._uploads.begin(owner_of(scope), wish.bytes, wish.filename, wish.mime_type, facts)
        await respond_json(send, 200, view(upload).model_dump_json().encode())


class OneUpload:
    """What is below `/v1/uploads/{id}`. Raises ApiError (404)."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._uploads = store.uploads
        self._verbs: Mapping[str, Verb] = {
            "": self._show,
            "parts": self._take,
            "complete": self._complete,
            "cancel": self._cancel,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        upload_id, _, what = scope[REST].partition("/")
        told = await self._verbs[what](scope, receive, upload_id)
        await respond_json(send, 200, told.model_dump_json().encode())

    async def _show(self, scope: Scope, receive: Receive, upload_id: str) -> BaseModel:
        upload, parts = await self._uploads.find(owner_of(scope), upload_id)
        told = [PartView(id=part_id, bytes=size) for part_id, size in parts.items()]
        return UploadStatus(**dict(await self._view(scope, upload)), parts=told)

    async def _take(self, scope: Scope, receive: Receive, upload_id: str) -> BaseModel:
        form = UploadForm(scope, receive, "data", ())
        async with aclosing(form.pieces()) as pieces:
            part_id = await self._uploads.add_part(owner_of(scope), upload_id, pieces)
        upload, _ = await self._uploads.find(owner_of(scope), upload_id)
        return UploadPart(id=part_id, created_at=int(upload.created), upload_id=upload_id)

    async def _complete(self, scope: Scope, receive: Receive, upload_id: str) -> BaseModel:
        wish = await _read(scope, receive, UploadCompletion)
        return await self._view(
            scope, await self._uploads.complete(owner_of(scope), upload_id, wish.part_ids, wish.md5)
        )

    async def _cancel(self, scope: Scope, receive: Receive, upload_id: str) -> BaseModel:
        await read_body(scope, receive, BODY_SIZE)
        return view(await self._uploads.cancel(owner_of(scope), upload_id))

    async def _view(self, scope: Scope, upload: Upload) -> UploadView:
        if upload.file is None:
            return view(upload)
        return view(upload, as_file(await self._store.get(owner_of(scope), upload.file)))


Verb = Callable[[Scope, Receive, str], Awaitable[BaseModel]]


def view(upload: Upload, file: FileView | None = None) -> UploadView:
    """An upload in OpenAI's words, and what came of it."""
    return UploadView(
        id=upload.id,
        bytes=upload.size,
        created_at=int(upload.created),
        expires_at=int(upload.expires),
        filename=upload.filename,
        purpose=upload.purpose,
        status=upload.status,
        file=file,
    )


async def _read(scope: Scope, receive: Receive, kind: type[Wish]) -> Wish:
    """A JSON body. Raises ApiError (400, 413, 415)."""
    require_json(headers_of(scope).get(b"content-type"))
    try:
        return kind.model_validate_json(await read_body(scope, receive, BODY_SIZE))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or None
        message = f"{f'{where!r}: ' if where else ''}{first['msg']}."
        raise ApiError(400, "invalid_value", message, param=where) from error


def routes(services: Services) -> tuple[Route, ...]:
    one = OneUpload(services.artifacts)
    return (
        Route("POST", UPLOADS, Beginning(services.artifacts)),
        Route("GET", f"{UPLOADS}/*", one, rest="[^/]+"),
        Route("POST", f"{UPLOADS}/*", one, rest="[^/]+/(parts|complete|cancel)"),
    )
