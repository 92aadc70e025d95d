"""`/admin/artifacts/scrub`: every artifact read, and those told that are not what was kept."""

from contextlib import aclosing

from contract.artifacts import DamagedArtifact
from proxy.artifacts.store import ArtifactStore
from proxy.gateway.asgi import Receive, Scope, Send
from proxy.gateway.body import read_body
from proxy.openapi.operation import Operation
from proxy.router import Route
from proxy.services import Services

PATH = "/admin/artifacts/scrub"
OPERATIONS = (
    Operation(
        "POST",
        PATH,
        "Every artifact is read, and those told, a line each, that are not what was kept.",
        {200: {"application/x-ndjson": DamagedArtifact}},
        errors=frozenset({"413"}),
    ),
)
BODY_SIZE = 64 * 2**10


class Scrub:
    """POST: a line of JSON for each damaged artifact, as it is found. The end of the answer is the end of the scrub."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(scope, receive, BODY_SIZE)
        headers = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with aclosing(self._store.scrub()) as found:
            async for entry in found:
                sidecar = entry.sidecar
                told = DamagedArtifact(
                    id=sidecar.id, owner=sidecar.owner, kind=sidecar.kind, trouble=entry.trouble or ""
                )
                line = told.model_dump_json().encode() + b"\n"
                await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def routes(services: Services) -> tuple[Route, ...]:
    return (Route("POST", PATH, Scrub(services.artifacts)),)
