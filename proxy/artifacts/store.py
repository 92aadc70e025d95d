"""The store of artifacts as the event loop sees it: nothing here waits for a disk, its threads do.

Whose an artifact is decides who sees it; `owner` None is for callers who have proved their right in another way.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from pathlib import Path

from contract.artifacts import Sidecar
from contract.errors import ApiError
from proxy.access.signed import Signatures
from proxy.artifacts import examine, preferences
from proxy.artifacts.adding import put, put_afar
from proxy.artifacts.backroom import Backroom, log_failure
from proxy.artifacts.facts import Entry, Facts, Page, Query
from proxy.artifacts.failures import Damaged, damaged
from proxy.artifacts.folder import Folder
from proxy.artifacts.incoming import Incoming
from proxy.artifacts.index import Used
from proxy.artifacts.leftovers import Leftovers
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.local_folder import LocalFolder
from proxy.artifacts.lookup import BadCursor, IndexSource
from proxy.artifacts.preferences import Preferences
from proxy.artifacts.sqlite.source import SqliteSource
from proxy.artifacts.stored_file import StoredFile
from proxy.artifacts.upkeep import Upkeep
from proxy.artifacts.uploads import Uploads
from proxy.media.decoder import Decoder
from proxy.on_failure import on_failure_await

Watcher = Callable[[str, Sidecar], None]

READY, DELETED = "artifact-ready", "artifact-deleted"
SWEEP_SECONDS = 30.0


class ArtifactStore:
    """Opened at the first use, if not before. Every method raises ApiError: 503, and 507 for what writes."""

    def __init__(
        self,
        root: Path,
        limits: StoreLimits,
        signatures: Signatures,
        decoder: Decoder,
        *,
        source: IndexSource | None = None,  # an SQLite file in `root`
        folder: Folder | None = None,  # files in `root`
    ) -> None:
        self._room = Backroom(folder or LocalFolder(root), limits, signatures, source or SqliteSource(root))
        self._leftovers = Leftovers(self._room)
        self._upkeep = Upkeep(self._room, decoder)
        self.uploads = Uploads(self._room, self.add)
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Tell of what happens: READY or DELETED, and the artifact. It is called on the loop and may not wait."""
        self._watchers.append(watcher)

    async def open(self) -> None:
        """Make what is missing and put right what a killed process left. What fails is tried again when it is used."""
        await log_failure(self._room.open(), "the store of artifacts cannot be opened yet")

    async def follow(self) -> None:
        """Remove what has had its time, for ever."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await log_failure(self.sweep(), "artifacts whose time is over could not be removed")

    async def close(self) -> None:
        """What was begun is finished."""
        await self._upkeep.finish()
        await self._room.close()

    async def add(
        self, owner: str, content: bytes | AsyncIterator[bytes], facts: Facts | Callable[[], Facts]
    ) -> Sidecar:
        """Keep it: when this returns, it is on the disk. Raises ApiError (404 for a parent, 413, 507), too.

        Facts that are known only at the content's end are a function.
        """
        room = self._room
        await room.open()
        incoming = Incoming(room, room.limits.size)
        # What comes alone is staged by the writer itself, in one go; of several, each is staged beside the others.
        is_for_writer = room.folder.is_local and room.threads.writer_is_idle
        alone = content if isinstance(content, bytes) and is_for_writer else None
        async with on_failure_await(incoming.discard):
            if not isinstance(content, bytes):
                await self.require_room(owner)
            if alone is None:
                await incoming.receive(content)
            facts = facts if isinstance(facts, Facts) else facts()
            for parent in facts.parents:
                await self.get(owner, parent)
            if room.folder.is_local:
                sidecar, has_twin = await room.write(partial(put, room, owner, incoming, facts, alone))
            else:
                sidecar, has_twin = await put_afar(room, owner, incoming, facts)
        self._tell(READY, sidecar)
        self._upkeep.kept(sidecar, has_twin=has_twin, has_poster=facts.poster is not None)
        return sidecar

    async def keep_once(self, owner: str, content: bytes, purpose: str) -> Sidecar:
        """What an owner has already, by the same bytes and for the same purpose, is not kept again."""
        room = self._room
        found = await room.read(partial(room.readers.same, owner, content, purpose))
        return found if found is not None else await self.add(owner, content, Facts(purpose=purpose))

    async def require_room(self, owner: str) -> None:
        """Raises ApiError (507) where nothing more can be kept."""
        room = self._room
        await room.write(partial(room.shelf.require_room, owner))

    async def get(self, owner: str | None, artifact_id: str) -> Sidecar:
        """What is known of it. Raises ApiError (404), too, as all that follow do."""
        room = self._room
        return await room.of(artifact_id, room.read(partial(room.readers.sidecar, owner, artifact_id)))

    async def entry(self, owner: str | None, artifact_id: str) -> Entry:
        """What is known of it, what was made from it, and whether it stands on the disk as it was kept."""
        room = self._room
        return await room.of(artifact_id, room.read(partial(room.readers.entry, owner, artifact_id)))

    async def content(self, owner: str | None, artifact_id: str) -> StoredFile:
        """Its bytes, verified. Raises ApiError (500 artifact_damaged), too."""
        sidecar = await self.get(owner, artifact_id)
        room = self._room
        try:
            proof = await room.read(partial(examine.require_whole, room.folder, sidecar))
        except (Damaged, FileNotFoundError) as error:
            await self.get(owner, artifact_id)  # it may have been removed just now
            raise damaged(artifact_id, error) from error
        return StoredFile(sidecar, room.folder, room.threads, proof)

    async def thumbnail(self, owner: str | None, artifact_id: str) -> bytes:
        """A small picture of it: WebP, or what its maker gave. Raises ApiError (404 no_thumbnail), too."""
        sidecar = await self.get(owner, artifact_id)
        poster = await self._room.read(partial(self._room.readers.poster, sidecar))
        return poster if poster is not None else await self._upkeep.draw(sidecar)

    async def list(self, owner: str, query: Query) -> Page:
        """An owner's artifacts, newest first. Raises ApiError (400 for `after`), too."""
        try:
            return await self._room.read(partial(self._room.readers.page, owner, query))
        except BadCursor as error:
            message = "'after' is the 'next' of an earlier page, or the id of an artifact."
            raise ApiError(400, "invalid_value", message, param="after") from error

    async def preferences(self, owner: str) -> Preferences:
        """What an owner wants to be kept of requests."""
        return await self._room.read(partial(preferences.read, self._room.folder.root, owner))

    async def prefer(self, owner: str, wanted: Preferences) -> None:
        """From now on; what was kept before stays as it is."""
        await self._room.write(partial(preferences.write, self._room.folder.root, owner, wanted))

    async def used(self, owner: str) -> Used:
        """What an owner has."""
        room = self._room
        return await room.write(lambda: room.shelf.index.used(owner))

    async def delete(self, owner: str, artifact_id: str) -> Sidecar:
        """Remove it. Whoever reads it meanwhile may finish."""
        sidecar = await self.get(owner, artifact_id)
        await self._remove(sidecar)
        return sidecar

    async def link(self, owner: str, child_id: str, parent_ids: tuple[str, ...]) -> Sidecar:
        """A child was made from these, too; both sides know it."""
        child = await self.get(owner, child_id)
        for parent in parent_ids:
            await self.get(owner, parent)
        linked = child.model_copy(update={"parents": tuple(dict.fromkeys((*child.parents, *parent_ids)))})
        room = self._room
        await room.of(child_id, room.write(partial(room.shelf.replace, linked)))
        return linked

    def sign(self, artifact_id: str, seconds: float | None = None) -> str:
        """The query of an address that opens this artifact without a key, for so long."""
        lasting = self._room.limits.address if seconds is None else seconds
        return self._room.signatures.query(artifact_id, int(self._room.clocks.surely() + lasting))

    async def sweep(self) -> int:
        """Remove what has had its time -> how many."""
        count = 0
        while expired := await self._upkeep.expired():
            for sidecar in expired:
                await self._remove(sidecar)
            count += len(expired)
        await self.uploads.sweep()
        await self._leftovers.retry()
        return count

    async def scrub(self) -> AsyncGenerator[Entry, None]:
        """Reads every artifact of every owner -> those that are not what was kept, as they are found."""
        async for entry in self._upkeep.scrub():
            yield entry

    async def _remove(self, sidecar: Sidecar) -> None:
        room = self._room
        await room.write(partial(room.shelf.remove, sidecar, room.clocks.stamp()))
        if not room.folder.is_local:
            await self._leftovers.forget(sidecar)
        self._tell(DELETED, sidecar)

    def _tell(self, what: str, sidecar: Sidecar) -> None:
        for watcher in self._watchers:
            watcher(what, sidecar)
