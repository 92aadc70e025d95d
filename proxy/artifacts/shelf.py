"""What the writer's thread does: files first, the row last; and the other way round to remove. Every call blocks.

Killed at any point, an artifact is whole or absent: without its sidecar a content is nothing, and a sidecar without a
row gets one at the next start, unless it was being removed.
"""

import errno
import logging
import sqlite3
from contextlib import suppress

from contract.artifacts import ArtifactKind, Sidecar
from proxy.artifacts.belonging import require_together
from proxy.artifacts.failures import LITTLE, STORE_ERRORS, is_full
from proxy.artifacts.folder import Folder
from proxy.artifacts.index import Index
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.lookup import IndexSource
from proxy.artifacts.names import THUMB, all_names, content_name
from proxy.artifacts.reconcile import Reconciliation
from proxy.artifacts.staging import Staging

NEARLY_FULL = 2**20  # bytes that are left

_logger = logging.getLogger("roundhouse.proxy.artifacts")


class Shelf:
    """Belongs to one thread. `open` is asked before all else; its errors, and all others', are STORE_ERRORS."""

    def __init__(self, folder: Folder, limits: StoreLimits, source: IndexSource) -> None:
        self._folder = folder
        self._source = source
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
        try:
            self._folder.open()
            self._index = self._source.open_index()
            if self._source.is_apart or not self._folder.is_local:
                require_together(self._folder, self._index)
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

    def put(self, staged: Staging | None, sidecar: Sidecar, poster: bytes | None) -> bool:
        """Keep what was staged -> whether there is the same already. Raises QuotaExceeded: nothing of it is left.

        `staged` None: its files are in their places already.
        """
        self.index.require_room(sidecar.owner, sidecar.size, self._limits)
        try:
            if staged is not None:
                self._folder.keep(staged, sidecar, poster)
            self.index.add(sidecar, self._limits)
        except STORE_ERRORS:
            self._undo(sidecar)
            self._shrink()
            raise
        self._shrink()
        return self.index.has_twin(sidecar)

    def withdraw(self, sidecar: Sidecar) -> None:
        """What was put into its place is not to be kept after all; if it was, it stays."""
        if sidecar.id not in self.index:
            self._folder.forget(sidecar)

    def require_room(self, owner: str, size: int = 1) -> None:
        """Raises QuotaExceeded where so much more would be too much, or OSError where not even a little finds room."""
        self.index.require_room(owner, size, self._limits)
        if self._folder.free() < LITTLE:
            raise OSError(errno.ENOSPC, "the disk is full")

    def replace(self, sidecar: Sidecar) -> None:
        """News of an artifact: its sidecar is written anew. Raises LookupError where it was removed meanwhile."""
        if sidecar.id not in self.index:
            raise LookupError(sidecar.id)
        self._folder.note(sidecar)
        self.index.replace(sidecar)

    def keep_poster(self, sidecar: Sidecar, poster: bytes) -> None:
        """A poster that was made afterwards. One of what was removed meanwhile is not kept."""
        if sidecar.id in self.index:
            self._folder.write(sidecar.kind, sidecar.id + THUMB, poster, lasting=False)

    def remove(self, sidecar: Sidecar, now: float) -> None:
        """Row first, so that nobody finds half of it; files that are left go at the next start at the latest.

        Of what is not on this disk, the files are the caller's to forget: the writer's turn is not for waiting.
        """
        try:
            self.index.remove(sidecar.id, now)
        except (sqlite3.Error, OSError) as error:
            if not is_full(error) or not self._folder.is_local:
                raise
            # A disk so full that nothing can be noted: the files are what makes room.
            self._folder.forget(sidecar)
            self.index.remove(sidecar.id, now)
        if self._folder.is_local:
            self._folder.forget(sidecar)
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

    def _undo(self, sidecar: Sidecar) -> None:
        for name in all_names(sidecar):
            with suppress(OSError):
                self._folder.remove(sidecar.kind, name)
