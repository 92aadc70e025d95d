"""What is done for artifacts when nobody waits for it: bytes shared, posters drawn, the old removed."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Coroutine
from functools import partial

from contract.artifacts import Sidecar
from contract.errors import DO_NOT_RETRY, ApiError
from contract.sizes import show_bytes
from proxy.artifacts.backroom import Backroom, log_failure
from proxy.artifacts.facts import Entry
from proxy.artifacts.names import content_name
from proxy.artifacts.stored_file import IN_MEMORY, StoredFile
from proxy.media.decoder import Decoder
from proxy.media.refusal import MediaRefused

PICTURES = frozenset({"image/png", "image/jpeg", "image/webp"})
CLIPS = frozenset({"video/mp4", "video/webm", "video/quicktime"})
MOST_CHORES = 256
SWEEP_MOST = 100
SCRUB_ROWS = 100
REMEMBERED = 7 * 86_400.0  # seconds that a removed artifact's place in a listing is known


class Upkeep:
    """`later` begins a chore; `finish` waits for all."""

    def __init__(self, room: Backroom, decoder: Decoder) -> None:
        self._room = room
        self._decoder = decoder
        self._chores: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(1)  # who chats with pictures needs the decoder, too

    def __repr__(self) -> str:
        return f"<Upkeep {len(self._chores)} chores>"

    def kept(self, sidecar: Sidecar, *, has_twin: bool, has_poster: bool) -> None:
        """An artifact was kept. Where too much is to be done already it is left: it will be done when it is needed."""
        if len(self._chores) >= MOST_CHORES:
            return
        if has_twin and self._room.folder.is_local:
            self._later(self.share_bytes(sidecar), f"the bytes of {sidecar.id}")
        if sidecar.mime in PICTURES | CLIPS and not has_poster:
            self._later(self.draw(sidecar), f"the thumbnail of {sidecar.id}")

    async def finish(self) -> None:
        while self._chores:
            await asyncio.wait(self._chores)

    async def share_bytes(self, sidecar: Sidecar) -> None:
        """Equal bytes lie on the disk once. It is done afterwards, so that nobody learns from it who has what."""
        room = self._room
        try:
            twin = await room.read(partial(room.readers.twin, sidecar))
        except FileNotFoundError:
            return  # one of the two was removed
        if twin is not None:
            like = (twin.kind, content_name(twin))
            await room.write(partial(room.shelf.share_bytes, sidecar, like))

    async def draw(self, sidecar: Sidecar) -> bytes:
        """The small picture of a picture, or of how a clip begins, kept. Raises ApiError (404)."""
        if sidecar.mime not in PICTURES | CLIPS:
            raise _no_thumbnail(f"an artifact of type {sidecar.mime} has none")
        most = IN_MEMORY if sidecar.mime in CLIPS else self._decoder.largest
        if sidecar.size > most:
            raise _no_thumbnail(f"the file is larger than {show_bytes(most)}")
        room = self._room
        async with self._turn:
            content = await StoredFile(sidecar, room.folder, room.threads).read_all()
            try:
                poster = await self._small(sidecar.mime, content)
            except MediaRefused as error:
                raise _no_thumbnail(error.reason) from error
        await room.write(partial(room.shelf.keep_poster, sidecar, poster))
        return poster

    async def _small(self, mime: str, content: bytes) -> bytes:
        if mime in CLIPS:
            return await self._decoder.poster(content)
        address = await self._decoder.thumbnail(content)
        return base64.b64decode(address.partition(",")[2])

    async def expired(self) -> list[Sidecar]:
        """Some of those whose time is over."""
        room = self._room
        return await room.write(self._expired)

    async def scrub(self) -> AsyncGenerator[Entry, None]:
        """Every artifact, oldest first -> those that are not what was kept."""
        room, last = self._room, 0
        while rows := await room.read(partial(room.readers.rows_after, last, SCRUB_ROWS)):
            for row in rows:
                entry = await room.read(partial(room.readers.verified, row))
                if entry is not None and entry.trouble is not None:
                    yield entry
            last = rows[-1].number

    def _expired(self) -> list[Sidecar]:
        now = self._room.clocks.surely()
        index = self._room.shelf.index
        index.forget_gone(now - REMEMBERED)
        return index.expired(now, SWEEP_MOST)

    def _later(self, chore: Coroutine[None, None, object], what: str) -> None:
        task = asyncio.create_task(log_failure(chore, what), name=what)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


def _no_thumbnail(why: str) -> ApiError:
    return ApiError(404, "no_thumbnail", f"There is no thumbnail: {why}.", headers=DO_NOT_RETRY)
