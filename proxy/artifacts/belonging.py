"""Files, and an index that is kept elsewhere, belong together by a mark that both have. Every call blocks.

An index of other files would find all of its own missing, at a start with a disk that is not mounted to begin with, or
with the wrong bucket: it would forget them, and have them swept when they are there again.
"""

import secrets

from proxy.artifacts.folder import MARK, Folder
from proxy.artifacts.index import Index, IndexDamaged

FOREIGN = (
    "the index is not of the files in {folder}, but of those with the mark {noted} in their {file}. Is the right disk "
    "mounted there, or the right bucket named? An index of its own is a database, or a schema, of its own, and beside "
    "a bucket an artifacts folder of its own"
)


def require_together(folder: Folder, index: Index) -> None:
    """The first index of files is theirs for good. Raises IndexDamaged, and STORE_ERRORS."""
    if index.mark() is None:
        index.note_mark(_mark_of(folder))
    noted = index.mark()  # another process may have been the first
    if folder.mark() != noted:
        raise IndexDamaged(FOREIGN.format(folder=folder, noted=noted, file=MARK))


def _mark_of(folder: Folder) -> str:
    if folder.mark() is None:
        folder.set_mark(secrets.token_hex(16))
    return folder.mark() or ""
