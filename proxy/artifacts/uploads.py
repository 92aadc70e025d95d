"""Files that come in parts: begun, added to in any order and after any break, and completed to an artifact."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TypeVar

from contract.artifacts import Sidecar
from contract.errors import DO_NOT_RETRY, ApiError
from proxy.artifacts.backroom import Backroom
from proxy.artifacts.facts import Facts
from proxy.artifacts.failures import too_large
from proxy.artifacts.incoming import Incoming
from proxy.artifacts.staging import BLOCK
from proxy.artifacts.upload_folder import Upload, UploadFolder
from proxy.on_failure import on_failure_await

T = TypeVar("T")
Add = Callable[[str, AsyncIterator[bytes], Facts], Awaitable[Sidecar]]

LIFETIME = 86_400.0
MOST = 16  # of one owner, at a time
LOCK_SECONDS, LOCK_PAUSE = 60.0, 0.05  # for another process, which may be completing the same upload


class Uploads:
    """Every method raises ApiError: 400, 404, 409, 413, 507."""

    def __init__(self, room: Backroom, add: Add) -> None:
        self._room = room
        self._add = add
        self._folder = UploadFolder(room.folder)
        self._turns: dict[str, asyncio.Lock] = {}

    async def begin(self, owner: str, size: int, filename: str, mime: str, facts: Facts) -> Upload:
        """So many bytes are to come."""
        room = self._room
        if size > room.limits.size:
            raise too_large(room.limits.size)
        await room.write(lambda: room.shelf.index.require_room(owner, size, room.limits))
        if len(await room.read(partial(self._folder.of, owner))) >= MOST:
            message = f"You have {MOST} uploads that are not over; complete or cancel one."
            raise ApiError(409, "too_many_uploads", message, headers=DO_NOT_RETRY)
        now = room.clocks.stamp()
        upload = Upload(
            id="upload_" + secrets.token_hex(16),
            owner=owner,
            size=size,
            filename=filename,
            mime=mime,
            purpose=facts.purpose or "",
            lifetime=facts.lifetime,
            created=now,
            expires=now + LIFETIME,
        )
        await room.write(partial(self._folder.write, upload))
        return upload

    async def find(self, owner: str, upload_id: str) -> tuple[Upload, dict[str, int]]:
        """An upload, and of each part that has come the size."""
        upload = await self._of(upload_id, partial(self._folder.read, owner, upload_id))
        return upload, await self._of(upload_id, partial(self._folder.parts, upload))

    async def add_part(self, owner: str, upload_id: str, content: AsyncIterator[bytes]) -> str:
        """One part -> its id."""
        upload, parts = await self._pending(owner, upload_id)
        incoming = Incoming(self._room, min(self._room.limits.size, upload.size - sum(parts.values())))
        part_id = "part_" + secrets.token_hex(16)
        async with on_failure_await(incoming.discard):
            await incoming.receive(content)
            async with self._turn(upload_id):
                _, parts = await self._pending(owner, upload_id)
                if sum(parts.values()) + incoming.staging.size > upload.size:
                    raise too_large(upload.size)
                await self._of(upload_id, partial(self._folder.take, upload, part_id, incoming.staging.name))
        return part_id

    async def complete(self, owner: str, upload_id: str, part_ids: Sequence[str], md5: str | None) -> Upload:
        """All parts have come, in this order they are the file. Asked again, the same answer."""
        async with self._turn(upload_id):
            upload, parts = await self.find(owner, upload_id)
            if upload.status == "completed":
                return upload
            _require_pending(upload)
            _require_whole(upload, parts, part_ids)
            facts = Facts(mime=upload.mime, filename=upload.filename, purpose=upload.purpose, lifetime=upload.lifetime)
            async with aclosing(self._joined(upload, part_ids, md5)) as content:
                kept = await self._add(owner, content, facts)
            done = upload.model_copy(update={"status": "completed", "file": kept.id})
            await self._end(done)
            return done

    async def cancel(self, owner: str, upload_id: str) -> Upload:
        """Forget what has come."""
        async with self._turn(upload_id):
            upload, _ = await self._pending(owner, upload_id)
            cancelled = upload.model_copy(update={"status": "cancelled"})
            await self._end(cancelled)
            return cancelled

    async def sweep(self) -> None:
        """Remove what has had its time."""
        now = self._room.clocks.surely()
        for upload in await self._room.read(partial(self._folder.expired, now)):
            await self._room.write(partial(self._folder.remove, upload))
        self._turns = {upload_id: turn for upload_id, turn in self._turns.items() if turn.locked()}

    async def _pending(self, owner: str, upload_id: str) -> tuple[Upload, dict[str, int]]:
        upload, parts = await self.find(owner, upload_id)
        _require_pending(upload)
        return upload, parts

    async def _end(self, upload: Upload) -> None:
        await self._room.write(partial(self._folder.write, upload))
        await self._room.write(partial(self._folder.drop_parts, upload))

    async def _joined(self, upload: Upload, part_ids: Sequence[str], md5: str | None) -> AsyncGenerator[bytes, None]:
        """Raises ApiError (400) at the end of bytes that are not those that were meant."""
        digest = hashlib.md5(usedforsecurity=False)
        for part_id in part_ids:
            file = await self._of(upload.id, partial(self._folder.open_part, upload, part_id))
            try:
                while piece := await self._room.read(partial(os.read, file, BLOCK)):
                    if md5 is not None:
                        await asyncio.to_thread(digest.update, piece)
                    yield piece
            finally:
                os.close(file)
        if md5 is not None and digest.hexdigest() != md5.lower():
            raise _wrong("md5", "is another than that of the bytes that have come")

    async def _of(self, upload_id: str, work: Callable[[], T]) -> T:
        try:
            return await self._room.read(work)
        except (LookupError, FileNotFoundError) as error:
            message = f"There is no upload '{upload_id[:64]}'."
            raise ApiError(404, "upload_not_found", message, headers=DO_NOT_RETRY) from error

    @asynccontextmanager
    async def _turn(self, upload_id: str) -> AsyncIterator[None]:
        """What changes one upload is done one after the other, in whatever process. Raises ApiError (404, 409)."""
        async with self._turns.setdefault(upload_id, asyncio.Lock()):
            file = await self._lock(upload_id)
            try:
                yield
            finally:
                os.close(file)

    async def _lock(self, upload_id: str) -> int:
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                while True:
                    file = await self._of(upload_id, partial(self._folder.lock, upload_id))
                    if file is not None:
                        return file
                    await asyncio.sleep(LOCK_PAUSE)
        except TimeoutError as error:
            message = f"The upload '{upload_id[:64]}' is being completed by another request; ask for it in a while."
            raise ApiError(409, "upload_busy", message, headers={"retry-after": "30"}) from error


def _require_pending(upload: Upload) -> None:
    if upload.status != "pending":
        raise ApiError(409, "upload_over", f"This upload is {upload.status}.", headers=DO_NOT_RETRY)


def _require_whole(upload: Upload, parts: dict[str, int], part_ids: Sequence[str]) -> None:
    unknown = [part_id for part_id in part_ids if part_id not in parts]
    if unknown or len(set(part_ids)) != len(part_ids):
        raise _wrong("part_ids", "names each part of this upload once")
    size = sum(parts[part_id] for part_id in part_ids)
    if size != upload.size:
        raise _wrong("part_ids", f"names {size} bytes, and {upload.size} were announced")


def _wrong(name: str, what: str) -> ApiError:
    return ApiError(400, "invalid_value", f"'{name}' {what}.", param=name, headers=DO_NOT_RETRY)
