"""Artifacts as they are shown, and their addresses."""

from contract.artifacts import ArtifactView, Sidecar
from proxy.access.guard import GRANT
from proxy.artifacts.facts import Entry
from proxy.artifacts.store import ArtifactStore
from proxy.gateway.asgi import Scope, headers_of

ARTIFACTS = "/v1/artifacts"
FORWARDED = b"x-forwarded-proto"
SAME = Sidecar.model_fields.keys() & ArtifactView.model_fields.keys()


class Addresses:
    """Where a caller finds an artifact's bytes: with a signature where keys are asked for, so that a page can."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def path(self, scope: Scope, artifact_id: str, what: str = "content") -> str:
        """`what`: content or thumbnail."""
        path = f"{ARTIFACTS}/{artifact_id}/{what}"
        return path if scope.get(GRANT) is None else f"{path}?{self._store.sign(artifact_id)}"

    def url(self, scope: Scope, artifact_id: str) -> str:
        """The whole address of the content, at the name under which this server was asked.

        It speaks plain HTTP; what stands before it and does not says so. A caller who lies deceives itself alone.
        """
        headers = headers_of(scope)
        scheme = "https" if headers.get(FORWARDED) == b"https" else "http"
        return f"{scheme}://{headers[b'host'].decode('latin-1')}{self.path(scope, artifact_id)}"

    def view(self, scope: Scope, entry: Entry) -> ArtifactView:
        """An artifact as `/v1/artifacts` shows it."""
        sidecar = entry.sidecar
        return ArtifactView(
            **{name: getattr(sidecar, name) for name in SAME},
            created_at=sidecar.created,
            expires_at=sidecar.expires,
            bytes=sidecar.size,
            children=entry.children,
            same_bytes=entry.same,
            status="ready" if entry.trouble is None else "degraded",
            trouble=entry.trouble,
            content_url=self.path(scope, sidecar.id),
            thumbnail_url=self.path(scope, sidecar.id, "thumbnail"),
        )
