"""At the start: what stands in the folders, held against the index. Every call blocks.

    sidecar, no row         the index was lost, or its last moments were: it gets a row
    sidecar, removed        a removal that was killed: finished
    content, no sidecar     a write that was killed: swept
    row, no file at all     a removal whose note was lost: the row goes
All else that is not as it should be is seen when it is read, and told there.
"""

import logging
from contextlib import closing
from hashlib import sha256

from pydantic import ValidationError

from contract.artifacts import ArtifactKind, Sidecar
from proxy.artifacts.failures import BucketError
from proxy.artifacts.folder import FOLDERS, Folder
from proxy.artifacts.index import Index
from proxy.artifacts.kinds import look
from proxy.artifacts.names import META, is_content, split_name
from proxy.artifacts.staging import BLOCK

SIDECAR_LIMIT = 512 * 2**10
BATCH = 500
# When something was removed, seconds since 1970. What had lost its files was not: if they turn up again, they are kept.
LOST, REMOVED = 0.0, 1.0

_logger = logging.getLogger("roundhouse.proxy.artifacts")


class Reconciliation:
    """One pass. Only who uses the store alone may sweep: another's write looks like a killed one."""

    def __init__(self, folder: Folder, index: Index) -> None:
        self._folder = folder
        self._index = index
        self._known = index.ids()
        index.forget_gone(REMOVED)
        self._gone = index.gone()

    def run(self) -> None:
        added = swept = 0
        if self._folder.is_alone:
            swept += self._folder.sweep_staging()
        for kind in FOLDERS:
            found = self._files(kind)
            added += self._add(kind, found)
            swept += self._sweep(kind, found)
        if added or swept:
            _logger.info("artifacts: %d indexed anew, %d leftovers of killed writes swept", added, swept)

    def _files(self, kind: ArtifactKind) -> dict[str, list[str]]:
        """Each id and the rests of its files' names."""
        found: dict[str, list[str]] = {}
        for name in self._folder.names(kind):
            parts = split_name(name)
            if parts is not None:
                found.setdefault(parts[0], []).append(parts[1])
        for artifact_id, of_kind in self._known.items():
            if of_kind == kind:
                found.setdefault(artifact_id, [])
        return found

    def _add(self, kind: ArtifactKind, found: dict[str, list[str]]) -> int:
        new = [each for each, rests in found.items() if META in rests and each not in self._known]
        new = [each for each in new if each not in self._gone]
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            sidecars = self._folder.each(lambda each: self._sidecar(kind, each, found[each]), batch)
            self._index.add_all(sidecars)
        return len(new)

    def _sweep(self, kind: ArtifactKind, found: dict[str, list[str]]) -> int:
        count = 0
        for artifact_id, rests in found.items():
            is_known = artifact_id in self._known
            if is_known and not any(is_content(rest) or rest == META for rest in rests):
                self._index.remove(artifact_id, LOST)
            elif artifact_id in self._gone or (not is_known and self._is_leftover(kind, artifact_id, rests)):
                for rest in sorted(rests, key=META.__ne__):
                    self._folder.remove(kind, artifact_id + rest)
                count += 1
        return count

    def _is_leftover(self, kind: ArtifactKind, artifact_id: str, rests: list[str]) -> bool:
        return META not in rests and all(self._folder.may_sweep(kind, artifact_id + rest) for rest in rests)

    def _sidecar(self, kind: ArtifactKind, artifact_id: str, rests: list[str]) -> Sidecar:
        try:
            text = self._folder.read(kind, artifact_id + META, SIDECAR_LIMIT)
            sidecar = Sidecar.model_validate_json(text if len(text) <= SIDECAR_LIMIT else b"")
        except BucketError:
            raise  # nothing is wrong with the sidecar
        except (OSError, ValidationError) as error:
            _logger.error("the sidecar of %s cannot be read: %s", artifact_id, error)
            return self._salvaged(kind, artifact_id, rests)
        is_its_own = sidecar.id == artifact_id and sidecar.kind == kind
        return sidecar if is_its_own else self._salvaged(kind, artifact_id, rests)

    def _salvaged(self, kind: ArtifactKind, artifact_id: str, rests: list[str]) -> Sidecar:
        """What the bytes alone say. Whose they were nobody knows: they are nobody's where keys are asked for."""
        digest, size, head = sha256(), 0, b""
        for rest in filter(is_content, rests[:]):
            with closing(self._folder.open_content(kind, artifact_id + rest)) as content:
                while piece := content.read(size, BLOCK):
                    head = head or piece
                    digest.update(piece)
                    size += len(piece)
        mime = look(head, f"x{next(filter(is_content, rests), '')}", None).mime
        what = {"kind": kind, "mime": mime, "size": size, "sha256": digest.hexdigest()}
        return Sidecar.model_validate({"id": artifact_id, "owner": "", "created": 0.0, **what})
