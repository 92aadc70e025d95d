"""A content on its way in: bytes, or a stream of them, until they are staged."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial

from proxy.artifacts.backroom import Backroom
from proxy.artifacts.failures import too_large
from proxy.artifacts.staging import BLOCK, Staging


class Incoming:
    """Staged by the threads. `discard` it where it is not to be kept after all."""

    def __init__(self, room: Backroom, limit: int) -> None:
        self._room = room
        self._limit = limit
        self._staging: Staging | None = None

    @property
    def staging(self) -> Staging:
        """What was received. Raises OSError before."""
        if self._staging is None:
            raise OSError("nothing was staged")
        return self._staging

    async def receive(self, content: bytes | AsyncIterator[bytes]) -> None:
        """All of it, on the disk. Raises ApiError (413, 503, 507), and what the content's source raises."""
        if isinstance(content, bytes):
            await self._do(partial(self.take_whole, content))
            return
        await self._do(self._begin)
        size = 0
        async for piece in _gathered(content):
            size += len(piece)
            if size > self._limit:
                raise too_large(self._limit)
            await self._do(partial(self.staging.write, piece))
        await self._do(self.staging.finish)

    async def discard(self) -> None:
        await self._do(self._discard)

    async def _do(self, work: Callable[[], None]) -> None:
        await self._room.told(self._room.threads.read(work))

    def take_whole(self, content: bytes) -> None:
        """Blocks. Raises ApiError (413) and OSError."""
        if len(content) > self._limit:
            raise too_large(self._limit)
        self._begin()
        self.staging.write(content)
        self.staging.finish()

    def _begin(self) -> None:
        self._staging = self._room.folder.stage()

    def _discard(self) -> None:
        if self._staging is not None:
            self._staging.close()
            self._room.folder.discard(self._staging.name)


async def _gathered(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Small pieces together: each has to go to a thread and back."""
    waiting: list[bytes] = []
    size = 0
    async for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
