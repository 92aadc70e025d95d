"""What the store kept and removed since the process began, counted for `/metrics`.

What there is in all is not told: to count it would be to read the index. What found no room is a request's 507.
"""

from collections import Counter

from contract.artifacts import ArtifactKind, Sidecar
from contract.prometheus import Exposition
from proxy.artifacts.store import DELETED, READY


class ArtifactCounts:
    """A watcher of the store. Each kind is told from the beginning, so that no first one is missed."""

    def __init__(self) -> None:
        self._count: Counter[tuple[str, ArtifactKind]] = Counter()
        self._bytes: Counter[ArtifactKind] = Counter()

    def saw(self, what: str, sidecar: Sidecar) -> None:
        """Something happened to an artifact."""
        self._count[what, sidecar.kind] += 1
        if what == READY:
            self._bytes[sidecar.kind] += sidecar.size

    def write(self, out: Exposition) -> None:
        for name, what, text in (
            ("roundhouse_artifacts_kept_total", READY, "Artifacts that were kept."),
            ("roundhouse_artifacts_removed_total", DELETED, "Artifacts that were deleted, or had their time."),
        ):
            out.counter(name, text, (({"kind": kind}, self._count[what, kind]) for kind in ArtifactKind))
        out.counter(
            "roundhouse_artifact_bytes_kept_total",
            "Bytes of the artifacts that were kept, each counted in full.",
            (({"kind": kind}, self._bytes[kind]) for kind in ArtifactKind),
        )
