"""`/v1/files` as OpenAI's SDK speaks it: the uploaded artifacts."""

from contextlib import aclosing

from contract.artifacts import Sidecar
from contract.files import MOST_SECONDS, FileDeleted, FilePage, FileView
from proxy.access.admission import owner_of
from proxy.artifacts.facts import MOST_PER_PAGE, Facts, Query
from proxy.artifacts.failures import not_found
from proxy.artifacts.store import ArtifactStore
from proxy.endpoints._content import send_content
from proxy.endpoints._parameters import Parameters, wrong_value
from proxy.endpoints._upload_form import UploadForm
from proxy.gateway.asgi import Receive, Scope, Send, respond_json
from proxy.openapi.content import names_of
from proxy.openapi.files import (
    ANCHOR,
    FIELDS,
    FILE_OPERATIONS,
    FILES,
    FILTERS,
    MOST_ASKED,
    PURPOSES,
    SECONDS,
)
from proxy.router import REST, Route
from proxy.services import Services

OPERATIONS = FILE_OPERATIONS


class FileListing:
    """GET /v1/files."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Parameters(scope, names_of(FILTERS))
        query = Query(
            uploaded=True,
            purpose=given.text("purpose"),
            oldest_first=given.is_oldest_first(),
            limit=min(given.whole("limit", MOST_PER_PAGE, MOST_ASKED), MOST_PER_PAGE),
            after=given.text("after"),
        )
        page = await self._store.list(owner_of(scope), query)
        data = [as_file(entry.sidecar) for entry in page.items]
        told = FilePage(
            data=data,
            has_more=page.next is not None,
            first_id=data[0].id if data else None,
            last_id=data[-1].id if data else None,
        )
        await respond_json(send, 200, told.model_dump_json().encode())


class FileUpload:
    """POST /v1/files: a form with `file`, `purpose`, and perhaps when it may go."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        form = UploadForm(scope, receive, "file", FIELDS)
        async with aclosing(form.pieces()) as pieces:
            sidecar = await self._store.add(owner_of(scope), pieces, lambda: _facts(form))
        await respond_json(send, 200, as_file(sidecar).model_dump_json().encode())


class OneFile:
    """`/v1/files/{id}` and `/v1/files/{id}/content`. Raises ApiError (404)."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        file_id, slash, _ = scope[REST].partition("/")
        owner = owner_of(scope)
        sidecar = await self._store.get(owner, file_id)
        if sidecar.purpose is None:
            raise not_found(file_id)
        if scope["method"] == "DELETE":
            await self._store.delete(owner, file_id)
            await respond_json(send, 200, FileDeleted(id=file_id).model_dump_json().encode())
        elif slash:
            await send_content(scope, send, await self._store.content(owner, file_id))
        else:
            await respond_json(send, 200, as_file(sidecar).model_dump_json().encode())


def as_file(sidecar: Sidecar) -> FileView:
    """An uploaded artifact in OpenAI's words."""
    return FileView(
        id=sidecar.id,
        bytes=sidecar.size,
        created_at=int(sidecar.created),
        expires_at=int(sidecar.expires) if sidecar.expires is not None else None,
        filename=sidecar.filename or sidecar.id,
        purpose=sidecar.purpose or "",
    )


def require_purpose(said: str | None) -> str:
    """Raises ApiError (400)."""
    if said not in PURPOSES:
        raise wrong_value("purpose", f"is one of: {', '.join(sorted(PURPOSES))}")
    return said


def _facts(form: UploadForm) -> Facts:
    """What a form says of its file. Raises ApiError (400)."""
    purpose = require_purpose(form.fields.get("purpose"))
    return Facts(mime=form.mime, filename=form.filename, purpose=purpose, lifetime=_lifetime(form.fields))


def _lifetime(fields: dict[str, str]) -> float | None:
    if ANCHOR not in fields and SECONDS not in fields:
        return None
    if fields.get(ANCHOR) != "created_at":
        raise wrong_value(ANCHOR, "is created_at")
    seconds = fields.get(SECONDS, "")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 9 and 1 <= int(seconds) <= MOST_SECONDS):
        raise wrong_value(SECONDS, f"is a whole number of seconds, at most {MOST_SECONDS}")
    return float(seconds)


def routes(services: Services) -> tuple[Route, ...]:
    store = services.artifacts
    one = OneFile(store)
    return (
        Route("GET", FILES, FileListing(store)),
        Route("POST", FILES, FileUpload(store)),
        Route("GET", f"{FILES}/*", one, rest="[^/]+(/content)?"),
        Route("DELETE", f"{FILES}/*", one, rest="[^/]+"),
    )
