"""What was kept, held against what is there now. Every call blocks.

The row has a copy of the sidecar, by which a damaged one is noticed, and what it said is still told.
"""

from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256

from pydantic import ValidationError

from contract.artifacts import Sidecar
from proxy.artifacts.failures import BucketError, Damaged
from proxy.artifacts.folder import Content, Folder
from proxy.artifacts.lookup import Row
from proxy.artifacts.names import BLOCKS, META, content_name
from proxy.artifacts.reconcile import SIDECAR_LIMIT
from proxy.artifacts.staging import BLOCK, DIGEST

SIDECAR_MISSING = "sidecar_missing"
SIDECAR_DAMAGED = "sidecar_damaged"
CONTENT_MISSING = "content_missing"
CONTENT_DAMAGED = "content_damaged"
UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Proof:
    """What a content is read with. digests: of its blocks; data: all of it, where it had to be fetched to be verified.

    With neither, it was verified where it lies.
    """

    digests: bytes | None = None
    data: bytes | None = None


def trouble(folder: Folder, row: Row, sidecar: Sidecar) -> str | None:
    """Why an artifact is not what was kept, as far as can be seen without reading it; None: it looks well."""
    try:
        return _trouble(folder, row, sidecar)
    except BucketError:
        return UNREACHABLE


def _trouble(folder: Folder, row: Row, sidecar: Sidecar) -> str | None:
    try:
        text = folder.read(sidecar.kind, sidecar.id + META, SIDECAR_LIMIT)
    except BucketError:
        raise
    except OSError:
        return SIDECAR_MISSING
    if text != row.sidecar.encode() and not _means_the_same(text, sidecar):
        return SIDECAR_DAMAGED
    try:
        size = folder.size(sidecar.kind, content_name(sidecar))
    except BucketError:
        raise
    except OSError:
        return CONTENT_MISSING
    return None if size == sidecar.size else CONTENT_DAMAGED


def _means_the_same(text: bytes, sidecar: Sidecar) -> bool:
    try:
        return len(text) <= SIDECAR_LIMIT and Sidecar.model_validate_json(text) == sidecar
    except ValidationError:
        return False


def is_whole(folder: Folder, sidecar: Sidecar) -> bool:
    """Whether every byte is what was kept. Raises OSError."""
    try:
        with closing(folder.open_content(sidecar.kind, content_name(sidecar))) as content:
            return _digest(content) == sidecar.sha256
    except FileNotFoundError:
        return False


def require_whole(folder: Folder, sidecar: Sidecar) -> Proof:
    """A content before a byte of it is served: all of it, or that its blocks can be. Raises Damaged, and OSError."""
    digests = blocks_of(folder, sidecar)
    with closing(folder.open_content(sidecar.kind, content_name(sidecar))) as content:
        if content.size != sidecar.size:
            raise Damaged("its size is another")
        if digests is not None:
            return Proof(digests)
        data = None if folder.is_local else content.read(0, sidecar.size)
        if (_digest(content) if data is None else sha256(data).hexdigest()) != sidecar.sha256:
            raise Damaged("its digest is another")
        return Proof(data=data)


def _digest(content: Content) -> str:
    digest, start = sha256(), 0
    while piece := content.read(start, BLOCK):
        digest.update(piece)
        start += len(piece)
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


def read_block(content: Content, number: int, digests: bytes | None) -> bytes:
    """One block of a content. Raises Damaged, and OSError."""
    data = content.read(number * BLOCK, BLOCK)
    if digests is not None and sha256(data).digest() != digests[number * DIGEST : (number + 1) * DIGEST]:
        raise Damaged(f"block {number} is another")
    return data


def is_equal(folder: Folder, one: Sidecar, other: Sidecar) -> bool:
    """Whether two contents are the same, byte for byte, and not yet the same file."""
    with (
        closing(folder.open_content(one.kind, content_name(one))) as mine,
        closing(folder.open_content(other.kind, content_name(other))) as theirs,
    ):
        if mine.is_same(theirs):
            return False
        start = 0
        while piece := mine.read(start, BLOCK):
            if piece != theirs.read(start, BLOCK):
                return False
            start += len(piece)
        return not theirs.read(start, 1)
