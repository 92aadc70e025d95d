"""`/v1/artifacts`: what was made and uploaded, found, read, uploaded, deleted. Another owner's is as if not there."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing

import msgspec

from contract.artifacts import ArtifactKind
from contract.errors import ApiError
from proxy.access.admission import owner_of
from proxy.access.signed import SIGNED
from proxy.artifacts.facts import Entry, Facts
from proxy.artifacts.store import ArtifactStore
from proxy.endpoints._artifact_query import query_of, wrong_value
from proxy.endpoints._artifact_view import ARTIFACTS, Addresses
from proxy.endpoints._content import INERT, send_content
from proxy.endpoints._export import Export
from proxy.endpoints._reproduction import Reproduction
from proxy.endpoints._upload_form import UploadForm
from proxy.gateway.asgi import Receive, Scope, Send, respond, respond_json
from proxy.gateway.body import read_body
from proxy.openapi.operation import Operation
from proxy.router import REST, Route
from proxy.services import Services

OPERATIONS: tuple[Operation, ...] = ()

ONE_ALONE: dict[str, object] = {"request": None, "same_bytes": None}  # which are long, or long to find
BODY_SIZE = 64 * 2**10
FIELDS = frozenset({"kind", "model", "prompt", "parents", "purpose"})
UPLOADED = "user_data"  # an uploaded file's purpose, where none is told


class Listing:
    """GET /v1/artifacts."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._addresses = Addresses(store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = await self._store.list(owner_of(scope), query_of(scope))
        data = [self._addresses.view(scope, entry) | ONE_ALONE for entry in page.items]
        document = {"object": "list", "data": data, "has_more": page.next is not None, "next": page.next}
        await respond_json(send, 200, msgspec.json.encode(document))


class Upload:
    """POST /v1/artifacts: a form with `file`, and what is known of it."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._addresses = Addresses(store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        form = UploadForm(scope, receive, "file", FIELDS)
        async with aclosing(form.pieces()) as pieces:
            sidecar = await self._store.add(owner_of(scope), pieces, lambda: _facts(form))
        body = msgspec.json.encode(self._addresses.view(scope, Entry(sidecar)))
        await respond(send, 201, b"application/json", body)


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
    """`/v1/artifacts/{id}`, `/content`, `/thumbnail` and `/reproduce`. Raises ApiError (404, 405)."""

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
        artifact_id, slash, what = scope[REST].partition("/")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        allowed = [known for known, verb in self._verbs if verb == what and bool(slash) == bool(what)]
        if not allowed:
            raise ApiError(404, "not_found", f"There is nothing at {scope['path'][:200]}.")
        if method not in allowed:
            methods = ", ".join(allowed)
            raise ApiError(405, "method_not_allowed", f"Use {methods} here.", headers={"allow": methods})
        if method == "POST":
            await read_body(scope, receive, BODY_SIZE)  # in which nothing can stand
        await self._verbs[method, what](scope, send, artifact_id)

    async def _show(self, scope: Scope, send: Send, artifact_id: str) -> None:
        entry = await self._store.entry(owner_of(scope), artifact_id)
        await respond_json(send, 200, msgspec.json.encode(self._addresses.view(scope, entry)))

    async def _delete(self, scope: Scope, send: Send, artifact_id: str) -> None:
        await self._store.delete(owner_of(scope), artifact_id)
        document = {"id": artifact_id, "object": "artifact.deleted", "deleted": True}
        await respond_json(send, 200, msgspec.json.encode(document))

    async def _content(self, scope: Scope, send: Send, artifact_id: str) -> None:
        await send_content(scope, send, await self._store.content(_reader(scope), artifact_id))

    async def _thumbnail(self, scope: Scope, send: Send, artifact_id: str) -> None:
        picture = await self._store.thumbnail(_reader(scope), artifact_id)
        await respond(send, 200, _picture_type(picture), picture, INERT)


Verb = Callable[[Scope, Send, str], Awaitable[None]]


def _reader(scope: Scope) -> str | None:
    """Whose artifacts the caller may read; None: the address itself is the permission."""
    return None if scope.get(SIGNED) else owner_of(scope)


def _picture_type(picture: bytes) -> bytes:
    if picture.startswith(b"RIFF"):
        return b"image/webp"
    return b"image/png" if picture.startswith(b"\x89PNG") else b"image/jpeg"


def routes(services: Services) -> tuple[Route, ...]:
    store = services.artifacts
    one = OneArtifact(services)
    return (
        Route("GET", ARTIFACTS, Listing(store)),
        Route("POST", ARTIFACTS, Upload(store)),
        Route("GET", f"{ARTIFACTS}/export", Export(store)),
        Route("GET", f"{ARTIFACTS}/*", one),
        Route("DELETE", f"{ARTIFACTS}/*", one),
        Route("POST", f"{ARTIFACTS}/*", one),
    )
