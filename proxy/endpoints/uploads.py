"""`/v1/uploads` as OpenAI's SDK speaks it: large files in parts, which may go on after any break.

POST   /v1/uploads                  what is to come
POST   /v1/uploads/{id}/parts       a part, as a form
POST   /v1/uploads/{id}/complete    the order of the parts; it becomes a file, and an artifact
POST   /v1/uploads/{id}/cancel
GET    /v1/uploads/{id}             ours: which parts have come
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Annotated, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.errors import ApiError
from proxy.access.admission import owner_of
from proxy.artifacts.facts import Facts
from proxy.artifacts.store import ArtifactStore
from proxy.artifacts.upload_folder import Upload
from proxy.endpoints._generation import require_json
from proxy.endpoints._upload_form import UploadForm
from proxy.endpoints.files import MOST_SECONDS, as_file, require_purpose
from proxy.gateway.asgi import Receive, Scope, Send, headers_of, respond_json
from proxy.gateway.body import read_body
from proxy.openapi.operation import Operation
from proxy.router import REST, Route
from proxy.services import Services

OPERATIONS: tuple[Operation, ...] = ()

UPLOADS = "/v1/uploads"
BODY_SIZE = 2**20

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^/\\\x00-\x1f\x7f]+$")]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ExpiresAfter(_Wire):
    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS)]


class UploadWish(_Wire):
    bytes: Annotated[int, Field(ge=0, le=2**60)]
    filename: Name
    mime_type: Annotated[str, Field(max_length=128)]
    purpose: str
    expires_after: ExpiresAfter | None = None


class Completion(_Wire):
    part_ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100_000)]
    md5: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] | None = None


Wish = TypeVar("Wish", bound=_Wire)


class Beginning:
    """POST /v1/uploads."""

    def __init__(self, store: ArtifactStore) -> None:
        self._uploads = store.uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wish = await _read(scope, receive, UploadWish)
        lifetime = float(wish.expires_after.seconds) if wish.expires_after is not None else None
        facts = Facts(purpose=require_purpose(wish.purpose), lifetime=lifetime)
        upload = await self._uploads.begin(owner_of(scope), wish.bytes, wish.filename, wish.mime_type, facts)
        await respond_json(send, 200, msgspec.json.encode(view(upload)))


class OneUpload:
    """What is below `/v1/uploads/{id}`. Raises ApiError (404, 405)."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._uploads = store.uploads
        self._verbs: Mapping[str, tuple[str, Verb]] = {
            "": ("GET", self._show),
            "parts": ("POST", self._take),
            "complete": ("POST", self._complete),
            "cancel": ("POST", self._cancel),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        upload_id, slash, what = scope[REST].partition("/")
        if what not in self._verbs or bool(slash) != bool(what):
            raise ApiError(404, "not_found", f"There is nothing at {scope['path'][:200]}.")
        method, verb = self._verbs[what]
        if ("GET" if scope["method"] == "HEAD" else scope["method"]) != method:
            raise ApiError(405, "method_not_allowed", f"Use {method} here.", headers={"allow": method})
        document = await verb(scope, receive, upload_id)
        await respond_json(send, 200, msgspec.json.encode(document))

    async def _show(self, scope: Scope, receive: Receive, upload_id: str) -> dict[str, object]:
        upload, parts = await self._uploads.find(owner_of(scope), upload_id)
        told = [{"id": part_id, "object": "upload.part", "bytes": size} for part_id, size in parts.items()]
        return {**await self._view(scope, upload), "parts": told}

    async def _take(self, scope: Scope, receive: Receive, upload_id: str) -> dict[str, object]:
        form = UploadForm(scope, receive, "data", ())
        async with aclosing(form.pieces()) as pieces:
            part_id = await self._uploads.add_part(owner_of(scope), upload_id, pieces)
        upload, _ = await self._uploads.find(owner_of(scope), upload_id)
        made = int(upload.created)
        return {"id": part_id, "object": "upload.part", "created_at": made, "upload_id": upload_id}

    async def _complete(self, scope: Scope, receive: Receive, upload_id: str) -> dict[str, object]:
        wish = await _read(scope, receive, Completion)
        return await self._view(
            scope, await self._uploads.complete(owner_of(scope), upload_id, wish.part_ids, wish.md5)
        )

    async def _cancel(self, scope: Scope, receive: Receive, upload_id: str) -> dict[str, object]:
        await read_body(scope, receive, BODY_SIZE)
        return view(await self._uploads.cancel(owner_of(scope), upload_id))

    async def _view(self, scope: Scope, upload: Upload) -> dict[str, object]:
        if upload.file is None:
            return view(upload)
        return view(upload) | {"file": as_file(await self._store.get(owner_of(scope), upload.file))}


Verb = Callable[[Scope, Receive, str], Awaitable[dict[str, object]]]


def view(upload: Upload) -> dict[str, object]:
    """An upload in OpenAI's words."""
    return {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.size,
        "created_at": int(upload.created),
        "expires_at": int(upload.expires),
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": upload.status,
        "file": None,
    }


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
        Route("GET", f"{UPLOADS}/*", one),
        Route("POST", f"{UPLOADS}/*", one),
    )
