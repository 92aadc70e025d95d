"""What is read of index and folders, by several threads at once. Every call blocks; errors are STORE_ERRORS.

An artifact that is not there, or another owner's, is a LookupError.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from queue import SimpleQueue

from contract.artifacts import Sidecar
from proxy.artifacts import examine, lookup
from proxy.artifacts.facts import Entry, Page, Query
from proxy.artifacts.folder import THUMB, Folder
from proxy.artifacts.schema import open_for_reading
from proxy.artifacts.shelf import INDEX

THUMB_LIMIT = 4 * 2**20


class Readers:
    """So many connections as threads may read at once. `owner` None: whoever's it is."""

    def __init__(self, folder: Folder, count: int) -> None:
        self._folder = folder
        self._count = count
        self._links: SimpleQueue[sqlite3.Connection] = SimpleQueue()

    def open(self) -> None:
        """After the index was made."""
        for _ in range(self._count):
            self._links.put(open_for_reading(self._folder.root / INDEX))

    def close(self) -> None:
        while not self._links.empty():
            self._links.get().close()

    def sidecar(self, owner: str | None, artifact_id: str) -> Sidecar:
        return Sidecar.model_validate_json(self._row(owner, artifact_id).sidecar)

    def entry(self, owner: str | None, artifact_id: str) -> Entry:
        row = self._row(owner, artifact_id)
        entry = self._examined(row)
        if entry.trouble is not None:
            # A sidecar that is being written anew is for a moment another than its row's copy.
            entry = self._examined(self._row(owner, artifact_id))
        sidecar = entry.sidecar
        with self._link() as link:
            return replace(entry, same=lookup.equals(link, sidecar.owner, sidecar.sha256, sidecar.id))

    def page(self, owner: str, query: Query) -> Page:
        """Raises BadCursor."""
        with self._link() as link:
            rows = lookup.page(link, owner, query)
        shown = rows[: query.limit]
        after = lookup.cursor_of(shown[-1]) if len(rows) > query.limit else None
        return Page(tuple(self._examined(row) for row in shown), after)

    def poster(self, sidecar: Sidecar) -> bytes | None:
        """The small picture that was kept, if one was."""
        try:
            return self._folder.read(sidecar.kind, sidecar.id + THUMB, THUMB_LIMIT)
        except FileNotFoundError:
            return None

    def twin(self, sidecar: Sidecar) -> Sidecar | None:
        """An artifact of the same bytes, in a file of its own."""
        with self._link() as link:
            found = lookup.like(link, sidecar.sha256, sidecar.size, sidecar.id)
        if found is None:
            return None
        other = Sidecar.model_validate_json(found[2])
        return other if examine.is_equal(self._folder, sidecar, other) else None

    def same(self, owner: str, content: bytes, purpose: str) -> Sidecar | None:
        """An owner's artifact of these bytes."""
        with self._link() as link:
            found = lookup.same(link, owner, sha256(content).hexdigest(), purpose)
        return Sidecar.model_validate_json(found) if found is not None else None

    def rows_after(self, number: int, most: int) -> list[lookup.Row]:
        """Of all owners, oldest first."""
        with self._link() as link:
            return lookup.after(link, number, most)

    def verified(self, row: lookup.Row) -> Entry | None:
        """An artifact with all its bytes looked at; None if it was removed meanwhile."""
        entry = self._examined(row)
        if entry.trouble is None and not examine.is_whole(self._folder, entry.sidecar):
            entry = replace(entry, trouble=examine.CONTENT_DAMAGED)
        if entry.trouble is None:
            return entry
        try:
            self._row(None, row.id)
        except LookupError:
            return None
        return entry

    def _row(self, owner: str | None, artifact_id: str) -> lookup.Row:
        if not lookup.is_id(artifact_id):
            raise LookupError(artifact_id)
        with self._link() as link:
            row = lookup.find(link, owner, artifact_id)
        if row is None:
            raise LookupError(artifact_id)
        return row

    def _examined(self, row: lookup.Row) -> Entry:
        sidecar = Sidecar.model_validate_json(row.sidecar)
        with self._link() as link:
            children = lookup.children(link, sidecar.owner, row.id)
        return Entry(sidecar, children, examine.trouble(self._folder, row, sidecar))

    @contextmanager
    def _link(self) -> Iterator[sqlite3.Connection]:
        link = self._links.get()
        try:
            yield link
        finally:
            self._links.put(link)
