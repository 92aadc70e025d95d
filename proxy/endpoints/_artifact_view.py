"""Artifacts as they are shown, and their addresses."""

from proxy.access.guard import GRANT
from proxy.artifacts.facts import Entry
from proxy.artifacts.store import ArtifactStore
from proxy.gateway.asgi import Scope, headers_of

ARTIFACTS = "/v1/artifacts"
_SAME: tuple[str, ...] = ("kind", "mime", "filename", "sha256", "width", "height", "duration", "fps")
_SAME += ("model", "revision", "prompt", "seed", "steps", "guidance", "scheduler")
_SAME += ("parents", "purpose", "endpoint", "request")


class Addresses:
    """Where a caller finds an artifact's bytes: with a signature where keys are asked for, so that a page can."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def path(self, scope: Scope, artifact_id: str, what: str = "content") -> str:
        """`what`: content or thumbnail."""
        path = f"{ARTIFACTS}/{artifact_id}/{what}"
        return path if scope.get(GRANT) is None else f"{path}?{self._store.sign(artifact_id)}"

    def url(self, scope: Scope, artifact_id: str) -> str:
        """The whole address of the content, at the name under which this server was asked."""
        return f"{scope['scheme']}://{headers_of(scope)[b'host'].decode('latin-1')}{self.path(scope, artifact_id)}"

    def view(self, scope: Scope, entry: Entry) -> dict[str, object]:
        """An artifact as `/v1/artifacts` shows it. `trouble`: why it is degraded."""
        sidecar = entry.sidecar
        return {
            "id": sidecar.id,
            "object": "artifact",
            "created_at": sidecar.created,
            "expires_at": sidecar.expires,
            "bytes": sidecar.size,
            **{name: getattr(sidecar, name) for name in _SAME},
            "children": entry.children,
            "same_bytes": entry.same,
            "status": "ready" if entry.trouble is None else "degraded",
            "trouble": entry.trouble,
            "content_url": self.path(scope, sidecar.id),
            "thumbnail_url": self.path(scope, sidecar.id, "thumbnail"),
        }
