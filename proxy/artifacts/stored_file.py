"""A content to be read, without where it lies."""

import os
from collections.abc import AsyncGenerator
from functools import partial

from contract.artifacts import Sidecar
from contract.errors import DO_NOT_RETRY, ApiError
from contract.sizes import show_bytes
from proxy.artifacts import examine
from proxy.artifacts.failures import LITTLE, Damaged, damaged, not_found, told
from proxy.artifacts.folder import Folder
from proxy.artifacts.names import content_name
from proxy.artifacts.staging import BLOCK
from proxy.artifacts.threads import Threads

IN_MEMORY = 64 * 2**20  # bytes of a content that is read at once


class StoredFile:
    """One artifact's content. A small one was verified when this was made, a large one is block by block.

    size: bytes; sha256: of them, hexadecimal; etag: as the header has it
    """

    def __init__(self, sidecar: Sidecar, folder: Folder, threads: Threads) -> None:
        self._folder = folder
        self._threads = threads
        self.sidecar = sidecar
        self.size = sidecar.size
        self.sha256 = sidecar.sha256
        self.mime = sidecar.mime
        self.filename = sidecar.filename
        self.etag = f'"{sidecar.sha256}"'

    async def read(self, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to before `end`, at most a block at a time. Raises ApiError (404, 500, 503).

        What is removed meanwhile is read to its end all the same.
        """
        stop = self.size if end is None else min(end, self.size)
        opened = _Opened()
        try:
            await self._open(opened)
            for number in range(start // BLOCK, -(-stop // BLOCK)):
                data = await self._block(opened, number)
                yield data[max(0, start - number * BLOCK) : stop - number * BLOCK]
        finally:
            opened.close()

    async def read_all(self) -> bytes:
        """All of it, where memory has room for it. Raises ApiError (413), too."""
        if self.size > IN_MEMORY:
            message = f"'{self.sidecar.id}' is larger than {show_bytes(IN_MEMORY)}, and cannot be used for this."
            raise ApiError(413, "artifact_too_large", message, headers=DO_NOT_RETRY)
        return b"".join([piece async for piece in self.read()])

    async def _open(self, opened: "_Opened") -> None:
        try:
            await self._threads.read(partial(opened.open, self._folder, self.sidecar))
        except FileNotFoundError as error:
            raise not_found(self.sidecar.id) from error
        except Damaged as error:
            raise damaged(self.sidecar.id, error) from error
        except OSError as error:
            raise told(error, LITTLE) from error

    async def _block(self, opened: "_Opened", number: int) -> bytes:
        try:
            data = await self._threads.read(partial(examine.read_block, opened.file, number, opened.digests))
        except Damaged as error:
            raise damaged(self.sidecar.id, error) from error
        except OSError as error:
            raise told(error, LITTLE) from error
        if len(data) != min(BLOCK, self.size - number * BLOCK):
            raise damaged(self.sidecar.id, Damaged("it is shorter than it was"))
        return data


class _Opened:
    """A file, once it is open: whoever is cancelled while it is being opened closes it, too."""

    def __init__(self) -> None:
        self.file = -1
        self.digests: bytes | None = None

    def open(self, folder: Folder, sidecar: Sidecar) -> None:
        self.digests = examine.blocks_of(folder, sidecar)
        self.file = folder.open_file(sidecar.kind, content_name(sidecar))

    def close(self) -> None:
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
