"""`/v1/artifacts`: what was made and uploaded, found, read, uploaded, deleted. Another owner's is as if not there."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from types import MappingProxyType

from contract.artifacts import ArtifactDeleted, ArtifactKind, ArtifactPage
from proxy.access.admission import owner_of
from proxy.access.signed import SIGNED
from proxy.artifacts.facts import Entry, Facts
from proxy.artifacts.store import ArtifactStore
from proxy.endpoints._artifact_query import query_of
from proxy.endpoints._artifact_view import ARTIFACTS, Addresses
from proxy.endpoints._content import INERT, picture_type, send_content
from proxy.endpoints._export import Export
from proxy.endpoints._parameters import wrong_value
from proxy.endpoints._reproduction import Reproduction
from proxy.endpoints._upload_form import UploadForm
from proxy.gateway.asgi import Receive, Scope, Send, respond, respond_json
from proxy.gateway.body import read_body
from proxy.openapi.artifacts import ARTIFACT_OPERATIONS, FIELDS
from proxy.router import REST, Route
from proxy.services import Services

OPERATIONS = ARTIFACT_OPERATIONS

# Which are long, or long to find.
ONE_ALONE: Mapping[str, None] = MappingProxyType({"request": None, "same_bytes": None})
BODY_SIZE = 64 * 2**10
UPLOADED = "user_data"  # an uploaded file's purpose, where none is told


class Listing:
    """GET /v1/artifacts."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._addresses = Addresses(store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = await self._store.list(owner_of(scope), query_of(scope))
        data = [self._addresses.view(scope, entry).model_copy(update=ONE_ALONE) for entry in page.items]
        told = ArtifactPage(data=data, has_more=page.next is not None, next=page.next)
        await respond_json(send, 200, told.model_dump_json().encode())


class Upload:
    """POST /v1/artifacts: a form with `file`, and what is known of it."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._addresses = Addresses(store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        form = UploadForm(scope, receive, "file", FIELDS)
        async with aclosing(form.pieces()) as pieces:
            sidecar = await self._store.add(owner_of(scope), pieces, lambda: _facts(form))
        await respond_json(send, 201, self._addresses.view(scope, Entry(sidecar)).model_dump_json().encode())


def _facts(form: UploadForm) -> Facts:
    """What a form says of its file. Raises ApiError (400)."""
    said = form.fields
    kind = said.get("kind") or None
    if kind is not None and kind not in set(ArtifactKind):
        raise wrong_value("kind", f"is one of: {', '.join(ArtifactKind)}")
    return Facts(
        kind=ArtifactKind(kind) if kind is not None else None,
        mime=form.mime,
        filename=form.filename,
        model=said.get("model"),
        prompt=said.get("prompt"),
        parents=tuple(filter(None, said.get("parents", "").split(","))),
        purpose=said.get("purpose") or UPLOADED,
    )


class OneArtifact:
    """`/v1/artifacts/{id}`, `/content`, `/thumbnail` and `/reproduce`. Raises ApiError (404)."""

    def __init__(self, services: Services) -> None:
        self._store = services.artifacts
        self._addresses = Addresses(services.artifacts)
        self._verbs: Mapping[tuple[str, str], Verb] = {
            ("GET", ""): self._show,
            ("DELETE", ""): self._delete,
            ("GET", "content"): self._content,
            ("GET", "thumbnail"): self._thumbnail,
            ("POST", "reproduce"): Reproduction(services),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        artifact_id, _, what = scope[REST].partition("/")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method == "POST":
            await read_body(scope, receive, BODY_SIZE)  # in which nothing can stand
        await self._verbs[method, what](scope, send, artifact_id)

    async def _show(self, scope: Scope, send: Send, artifact_id: str) -> None:
        entry = await self._store.entry(owner_of(scope), artifact_id)
        await respond_json(send, 200, self._addresses.view(scope, entry).model_dump_json().encode())

    async def _delete(self, scope: Scope, send: Send, artifact_id: str) -> None:
        await self._store.delete(owner_of(scope), artifact_id)
        await respond_json(send, 200, ArtifactDeleted(id=artifact_id).model_dump_json().encode())

    async def _content(self, scope: Scope, send: Send, artifact_id: str) -> None:
        await send_content(scope, send, await self._store.content(_reader(scope), artifact_id))

    async def _thumbnail(self, scope: Scope, send: Send, artifact_id: str) -> None:
        picture = await self._store.thumbnail(_reader(scope), artifact_id)
        await respond(send, 200, picture_type(picture), picture, INERT)


Verb = Callable[[Scope, Send, str], Awaitable[None]]


def _reader(scope: Scope) -> str | None:
    """Whose artifacts the caller may read; None: the address itself is the permission."""
    return None if scope.get(SIGNED) else owner_of(scope)


def routes(services: Services) -> tuple[Route, ...]:
    store = services.artifacts
    one = OneArtifact(services)
    return (
        Route("GET", ARTIFACTS, Listing(store)),
        Route("POST", ARTIFACTS, Upload(store)),
        Route("GET", f"{ARTIFACTS}/export", Export(store)),
        Route("GET", f"{ARTIFACTS}/*", one, rest="[^/]+(/(content|thumbnail))?"),
        Route("DELETE", f"{ARTIFACTS}/*", one, rest="[^/]+"),
        Route("POST", f"{ARTIFACTS}/*", one, rest="[^/]+/reproduce"),
    )
