"""A content to be read, without where it lies."""

from collections.abc import AsyncGenerator
from functools import partial

from contract.artifacts import Sidecar
from contract.errors import DO_NOT_RETRY, ApiError
from contract.sizes import show_bytes
from proxy.artifacts import examine
from proxy.artifacts.examine import Proof
from proxy.artifacts.failures import LITTLE, Damaged, damaged, not_found, told
from proxy.artifacts.folder import Content, Folder
from proxy.artifacts.names import content_name
from proxy.artifacts.staging import BLOCK
from proxy.artifacts.threads import Threads

IN_MEMORY = 64 * 2**20  # bytes of a content that is read at once


class StoredFile:
    """One artifact's content, verified as far as `proof` says; without one a large content's blocks are, as they come.

    size: bytes; sha256: of them, hexadecimal; etag: as the header has it
    """

    def __init__(self, sidecar: Sidecar, folder: Folder, threads: Threads, proof: Proof | None = None) -> None:
        self._folder = folder
        self._threads = threads
        self._proof = proof
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
            await self._open(opened, stop)
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

    async def _open(self, opened: "_Opened", stop: int) -> None:
        try:
            await self._threads.read(partial(opened.open, self._folder, self.sidecar, self._proof, stop))
        except FileNotFoundError as error:
            raise not_found(self.sidecar.id) from error
        except Damaged as error:
            raise damaged(self.sidecar.id, error) from error
        except OSError as error:
            raise told(error, LITTLE) from error

    async def _block(self, opened: "_Opened", number: int) -> bytes:
        try:
            data = await self._threads.read(partial(opened.read, number))
        except FileNotFoundError as error:
            raise not_found(self.sidecar.id) from error
        except Damaged as error:
            raise damaged(self.sidecar.id, error) from error
        except OSError as error:
            raise told(error, LITTLE) from error
        if len(data) != min(BLOCK, self.size - number * BLOCK):
            raise damaged(self.sidecar.id, Damaged("it is shorter than it was"))
        return data


class _Opened:
    """A content, once it is open: whoever is cancelled while it is being opened closes it, too."""

    def __init__(self) -> None:
        self._content: Content | None = None
        self._proof = Proof()

    def open(self, folder: Folder, sidecar: Sidecar, proof: Proof | None, stop: int) -> None:
        self._proof = proof or Proof(examine.blocks_of(folder, sidecar))
        if self._proof.data is None:
            whole_blocks = min(sidecar.size, -(-stop // BLOCK) * BLOCK)
            self._content = folder.open_content(sidecar.kind, content_name(sidecar), whole_blocks)

    def read(self, number: int) -> bytes:
        """One block. Raises Damaged, and OSError."""
        if self._proof.data is not None:
            return self._proof.data[number * BLOCK : (number + 1) * BLOCK]
        if self._content is None:
            raise OSError("the content is not open")
        return examine.read_block(self._content, number, self._proof.digests)

    def close(self) -> None:
        if self._content is not None:
            self._content.close()
            self._content = None
