"""What is read of index and folders, by several threads at once. Every call blocks; errors are STORE_ERRORS.

An artifact that is not there, or another owner's, is a LookupError.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from queue import SimpleQueue

from contract.artifacts import Sidecar
from proxy.artifacts import examine
from proxy.artifacts.facts import Entry, Page, Query
from proxy.artifacts.folder import Folder
from proxy.artifacts.lookup import IndexSource, Lookup, Row, cursor_of, is_id
from proxy.artifacts.names import THUMB

THUMB_LIMIT = 4 * 2**20


class Readers:
    """So many connections as threads may read at once. `owner` None: whoever's it is."""

    def __init__(self, folder: Folder, source: IndexSource, count: int) -> None:
        self._folder = folder
        self._source = source
        self._count = count
        self._lookups: SimpleQueue[Lookup] = SimpleQueue()

    def open(self) -> None:
        """After the index was made."""
        for _ in range(self._count):
            self._lookups.put(self._source.open_lookup())

    def close(self) -> None:
        while not self._lookups.empty():
            self._lookups.get().close()

    def sidecar(self, owner: str | None, artifact_id: str) -> Sidecar:
        return Sidecar.model_validate_json(self._row(owner, artifact_id).sidecar)

    def entry(self, owner: str | None, artifact_id: str) -> Entry:
        row = self._row(owner, artifact_id)
        entry = self._examined(row)
        if entry.trouble is not None:
            # A sidecar that is being written anew is for a moment another than its row's copy.
            entry = self._examined(self._row(owner, artifact_id))
        sidecar = entry.sidecar
        with self._lookup() as lookup:
            return replace(entry, same=lookup.equals(sidecar.owner, sidecar.sha256, sidecar.id))

    def page(self, owner: str, query: Query) -> Page:
        """Raises BadCursor. What is not on this disk is not looked at: a page of a hundred would take too long."""
        with self._lookup() as lookup:
            rows = lookup.page(owner, query)
            shown = rows[: query.limit]
            children = lookup.children(owner, [row.id for row in shown])
        after = cursor_of(shown[-1]) if len(rows) > query.limit else None
        look = self._with_trouble if self._folder.is_local else _as_told
        return Page(tuple(look(row, children.get(row.id, ())) for row in shown), after)

    def poster(self, sidecar: Sidecar) -> bytes | None:
        """The small picture that was kept, if one was."""
        try:
            return self._folder.read(sidecar.kind, sidecar.id + THUMB, THUMB_LIMIT)
        except FileNotFoundError:
            return None

    def twin(self, sidecar: Sidecar) -> Sidecar | None:
        """An artifact of the same bytes, in a file of its own."""
        with self._lookup() as lookup:
            found = lookup.like(sidecar.sha256, sidecar.size, sidecar.id)
        if found is None:
            return None
        other = Sidecar.model_validate_json(found)
        return other if examine.is_equal(self._folder, sidecar, other) else None

    def same(self, owner: str, content: bytes, purpose: str) -> Sidecar | None:
        """An owner's artifact of these bytes."""
        with self._lookup() as lookup:
            found = lookup.same(owner, sha256(content).hexdigest(), purpose)
        return Sidecar.model_validate_json(found) if found is not None else None

    def rows_after(self, number: int, most: int) -> list[Row]:
        """Of all owners, oldest first."""
        with self._lookup() as lookup:
            return lookup.after(number, most)

    def verified(self, row: Row) -> Entry | None:
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

    def _row(self, owner: str | None, artifact_id: str) -> Row:
        if not is_id(artifact_id):
            raise LookupError(artifact_id)
        with self._lookup() as lookup:
            row = lookup.find(owner, artifact_id)
        if row is None:
            raise LookupError(artifact_id)
        return row

    def _examined(self, row: Row) -> Entry:
        with self._lookup() as lookup:
            children = lookup.children(Sidecar.model_validate_json(row.sidecar).owner, [row.id])
        return self._with_trouble(row, children.get(row.id, ()))

    def _with_trouble(self, row: Row, children: tuple[str, ...]) -> Entry:
        sidecar = Sidecar.model_validate_json(row.sidecar)
        return Entry(sidecar, children, examine.trouble(self._folder, row, sidecar))

    @contextmanager
    def _lookup(self) -> Iterator[Lookup]:
        lookup = self._lookups.get()
        try:
            yield lookup
        finally:
            self._lookups.put(lookup)


def _as_told(row: Row, children: tuple[str, ...]) -> Entry:
    return Entry(Sidecar.model_validate_json(row.sidecar), children)
