"""One file on its way in: written to a name of its own, hashed as it comes, and on the disk when it is finished."""

import os
from hashlib import sha256

from proxy.artifacts.kinds import HEAD

BLOCK = 2**20  # bytes that have a digest of their own
DIGEST = 32
# A content of at most so many bytes is hashed whole before a byte of it is served; a larger one by blocks.
WHOLE = 16 * 2**20
_SYNC_EVERY = 64 * 2**20  # so that the last fsync finds little left to do


class Staging:
    """Belongs to one thread at a time; all of it blocks. Its errors are OSError.

    whole: a larger content has digests of its blocks
    size, head: bytes so far, and the first of them
    """

    def __init__(self, file: int, name: str, whole: int = WHOLE) -> None:
        self._file = file
        self._hashed_whole = whole
        self._whole = sha256()
        self._block = sha256()
        self._in_block = 0
        self._blocks: list[bytes] = []
        self._unsynced = 0
        self.name = name
        self.size = 0
        self.head = b""

    def write(self, data: bytes) -> None:
        """The next bytes: all of them."""
        if len(self.head) < HEAD:
            self.head += data[: HEAD - len(self.head)]
        write_all(self._file, data)
        self._hash(memoryview(data))
        self.size += len(data)
        self._unsynced += len(data)
        if self._unsynced > _SYNC_EVERY:
            os.fsync(self._file)
            self._unsynced = 0

    def finish(self) -> None:
        """No more bytes come; those that came are on the disk."""
        os.fsync(self._file)
        self.close()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def sha256(self) -> str:
        return self._whole.hexdigest()

    def blocks(self) -> bytes | None:
        """The digests of a large content's blocks, one after the other; None for one that is hashed whole."""
        if self.size <= self._hashed_whole:
            return None
        return b"".join((*self._blocks, *([self._block.digest()] if self._in_block else [])))

    def blocks_digest(self) -> str | None:
        """The digest of all those digests."""
        blocks = self.blocks()
        return sha256(blocks).hexdigest() if blocks is not None else None

    def _hash(self, data: memoryview) -> None:
        """The whole and, past the first block, which is the whole until then, each block by itself."""
        while len(data):
            part = data[: BLOCK - self._in_block]
            self._whole.update(part)
            if self._blocks:
                self._block.update(part)
            self._in_block += len(part)
            data = data[len(part) :]
            if self._in_block == BLOCK:
                self._blocks.append((self._block if self._blocks else self._whole).digest())
                self._block, self._in_block = sha256(), 0


def write_all(file: int, data: bytes) -> None:
    """A write may take less than it was given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
