"""What the writer's thread does: files first, the row last; and the other way round to remove. Every call blocks.

Killed at any point, an artifact is whole or absent: without its sidecar a content is nothing, and a sidecar without a
row gets one at the next start, unless it was being removed.
"""

import errno
import logging
import sqlite3
from contextlib import suppress

from contract.artifacts import ArtifactKind, Sidecar
from proxy.artifacts.failures import LITTLE, STORE_ERRORS, is_full
from proxy.artifacts.folder import BLOCKS, META, THUMB, Folder
from proxy.artifacts.index import Index
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.names import all_names, content_name
from proxy.artifacts.reconcile import Reconciliation
from proxy.artifacts.schema import IndexDamaged, open_for_writing, set_aside
from proxy.artifacts.staging import Staging

INDEX = "index.sqlite3"
NEARLY_FULL = 2**20  # bytes that are left

_logger = logging.getLogger("roundhouse.proxy.artifacts")


class Shelf:
    """Belongs to one thread. `open` is asked before all else; its errors, and all others', are STORE_ERRORS."""

    def __init__(self, folder: Folder, limits: StoreLimits) -> None:
        self._folder = folder
        self._limits = limits
        self._index: Index | None = None

    @property
    def index(self) -> Index:
        """Raises OSError before the store is open."""
        if self._index is None:
            raise OSError("the store is not open")
        return self._index

    def open(self) -> None:
        """Make what is not there, finish what a killed process left, and index what is not indexed."""
        self._folder.open()
        try:
            self._index = Index(self._open_index())
            Reconciliation(self._folder, self._index).run()
            self._folder.share()
        except STORE_ERRORS:
            self.close()
            raise

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None
        self._folder.close()

    def put(self, staged: Staging, sidecar: Sidecar, poster: bytes | None) -> bool:
        """Keep what was staged -> whether there is the same already. Raises QuotaExceeded: nothing of it is left."""
        folder, kind = self._folder, sidecar.kind
        self.index.require_room(sidecar.owner, sidecar.size, self._limits)
        try:
            folder.publish(staged.name, kind, content_name(sidecar))
            blocks = staged.blocks()
            if blocks is not None:
                folder.write(kind, sidecar.id + BLOCKS, blocks)
            if poster is not None:
                folder.write(kind, sidecar.id + THUMB, poster, lasting=False)
            folder.write(kind, sidecar.id + META, sidecar.model_dump_json().encode())
            folder.sync(kind)
            self.index.add(sidecar, self._limits)
        except STORE_ERRORS:
            self._undo(sidecar)
            self._shrink()
            raise
        self._shrink()
        return self.index.has_twin(sidecar)

    def require_room(self, owner: str) -> None:
        """Raises QuotaExceeded, or OSError, where not even a little could be kept."""
        self.index.require_room(owner, 1, self._limits)
        if self._folder.free() < LITTLE:
            raise OSError(errno.ENOSPC, "the disk is full")

    def replace(self, sidecar: Sidecar) -> None:
        """News of an artifact: its sidecar is written anew. Raises LookupError where it was removed meanwhile."""
        if sidecar.id not in self.index:
            raise LookupError(sidecar.id)
        self._folder.write(sidecar.kind, sidecar.id + META, sidecar.model_dump_json().encode())
        self._folder.sync(sidecar.kind)
        self.index.replace(sidecar)

    def keep_poster(self, sidecar: Sidecar, poster: bytes) -> None:
        """A poster that was made afterwards. One of what was removed meanwhile is not kept."""
        if sidecar.id in self.index:
            self._folder.write(sidecar.kind, sidecar.id + THUMB, poster, lasting=False)

    def remove(self, sidecar: Sidecar, now: float) -> None:
        """Row first, so that nobody finds half of it; files that are left go at the next start at the latest."""
        try:
            self.index.remove(sidecar.id, now)
        except (sqlite3.Error, OSError) as error:
            if not is_full(error):
                raise
            # A disk so full that nothing can be noted: the files are what makes room.
            self._unlink(sidecar)
            self.index.remove(sidecar.id, now)
        self._unlink(sidecar)
        self._shrink()

    def share_bytes(self, sidecar: Sidecar, like: tuple[ArtifactKind, str]) -> None:
        """Let it have its bytes together with another artifact's, which are equal. Where it cannot be, it is not."""
        if sidecar.id in self.index:
            with suppress(OSError):
                self._folder.share_bytes(sidecar.kind, content_name(sidecar), like)

    def _shrink(self) -> None:
        """On a disk that is nearly full, the index's log is worth having back."""
        with suppress(sqlite3.Error, OSError):
            if self._folder.free() < NEARLY_FULL:
                self.index.shrink()

    def _open_index(self) -> sqlite3.Connection:
        path = self._folder.root / INDEX
        try:
            return open_for_writing(path)
        except IndexDamaged as error:
            _logger.error("the index of artifacts is made again, as it cannot be used: %s", error)
            set_aside(path)
            return open_for_writing(path)

    def _unlink(self, sidecar: Sidecar) -> None:
        meta, *rest = all_names(sidecar)
        self._folder.remove(sidecar.kind, meta)
        self._folder.sync(sidecar.kind)
        for name in rest:
            self._folder.remove(sidecar.kind, name)

    def _undo(self, sidecar: Sidecar) -> None:
        for name in all_names(sidecar):
            with suppress(OSError):
                self._folder.remove(sidecar.kind, name)
