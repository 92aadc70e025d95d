"""What stands on the disk, held against what was kept. Every call blocks.

The row has a copy of the sidecar, by which a damaged one is noticed, and what it said is still told.
"""

import os
from hashlib import sha256
from io import FileIO

from pydantic import ValidationError

from contract.artifacts import Sidecar
from proxy.artifacts.failures import Damaged
from proxy.artifacts.folder import BLOCKS, META, Folder
from proxy.artifacts.lookup import Row
from proxy.artifacts.names import content_name
from proxy.artifacts.reconcile import SIDECAR_LIMIT
from proxy.artifacts.staging import BLOCK, DIGEST

SIDECAR_MISSING = "sidecar_missing"
SIDECAR_DAMAGED = "sidecar_damaged"
CONTENT_MISSING = "content_missing"
CONTENT_DAMAGED = "content_damaged"


def trouble(folder: Folder, row: Row, sidecar: Sidecar) -> str | None:
    """Why an artifact is not what was kept, as far as can be seen without reading it; None: it looks well."""
    try:
        text = folder.read(sidecar.kind, sidecar.id + META, SIDECAR_LIMIT)
    except OSError:
        return SIDECAR_MISSING
    if text != row.sidecar.encode() and not _means_the_same(text, sidecar):
        return SIDECAR_DAMAGED
    try:
        file = folder.open_file(sidecar.kind, content_name(sidecar))
    except OSError:
        return CONTENT_MISSING
    try:
        return None if os.fstat(file).st_size == sidecar.size else CONTENT_DAMAGED
    finally:
        os.close(file)


def _means_the_same(text: bytes, sidecar: Sidecar) -> bool:
    try:
        return len(text) <= SIDECAR_LIMIT and Sidecar.model_validate_json(text) == sidecar
    except ValidationError:
        return False


def is_whole(folder: Folder, sidecar: Sidecar) -> bool:
    """Whether every byte is what was kept. Raises OSError."""
    try:
        with open(folder.open_file(sidecar.kind, content_name(sidecar)), "rb", buffering=0) as content:
            return _digest(content) == sidecar.sha256
    except FileNotFoundError:
        return False


def require_whole(folder: Folder, sidecar: Sidecar) -> None:
    """A content before a byte of it is served: all of it, or that its blocks can be. Raises Damaged, and OSError."""
    digests = blocks_of(folder, sidecar)
    with open(folder.open_file(sidecar.kind, content_name(sidecar)), "rb", buffering=0) as content:
        if os.fstat(content.fileno()).st_size != sidecar.size:
            raise Damaged("its size is another")
        if digests is None and _digest(content) != sidecar.sha256:
            raise Damaged("its digest is another")


def _digest(content: FileIO) -> str:
    digest = sha256()
    while piece := content.read(BLOCK):
        digest.update(piece)
    return digest.hexdigest()


def blocks_of(folder: Folder, sidecar: Sidecar) -> bytes | None:
    """The digests of a large content's blocks; None of one that was hashed whole. Raises Damaged, and OSError."""
    if sidecar.blocks is None:
        return None
    most = -(-sidecar.size // BLOCK) * DIGEST
    digests = folder.read(sidecar.kind, sidecar.id + BLOCKS, most)
    if sha256(digests).hexdigest() != sidecar.blocks:
        raise Damaged("the digests of its blocks are damaged")
    return digests


def read_block(file: int, number: int, digests: bytes | None) -> bytes:
    """One block of a content. Raises Damaged, and OSError."""
    data = os.pread(file, BLOCK, number * BLOCK)
    if digests is not None and sha256(data).digest() != digests[number * DIGEST : (number + 1) * DIGEST]:
        raise Damaged(f"block {number} is another")
    return data


def is_equal(folder: Folder, one: Sidecar, other: Sidecar) -> bool:
    """Whether two contents are the same, byte for byte, and not yet the same file."""
    with (
        open(folder.open_file(one.kind, content_name(one)), "rb", buffering=0) as mine,
        open(folder.open_file(other.kind, content_name(other)), "rb", buffering=0) as theirs,
    ):
        if os.path.sameopenfile(mine.fileno(), theirs.fileno()):
            return False
        while piece := mine.read(BLOCK):
            if piece != theirs.read(BLOCK):
                return False
        return not theirs.read(1)
