"""Keeps the pictures that are made: after the answer where the caller has it in bytes, before it where by address."""

import asyncio
import binascii
import logging
from collections.abc import Awaitable, Callable

from contract.artifacts import Sidecar
from contract.errors import ApiError, Origin
from proxy.artifacts.pictures import Asked, Picture, bytes_of, facts_of, pictures_in
from proxy.artifacts.store import ArtifactStore

Read = Callable[[bytes], list[Picture]]

AT_ONCE = 2
MOST_WAITING = 16  # answers; past it a caller's connection waits with them

_logger = logging.getLogger("roundhouse.proxy.artifacts")


class Gallery:
    """`keep` what an answer holds; `keep_later`: the caller does not wait for it."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Gallery {len(self._waiting)} answers waiting>"

    async def keep(self, asked: Asked, answer: bytes, read: Read = pictures_in) -> tuple[Sidecar, ...]:
        """An answer's pictures, in their order. Raises ApiError (502, 503, 507)."""
        async with self._turn:
            pictures = await asyncio.to_thread(read, answer)
            return tuple([await self._keep_one(asked, picture) for picture in pictures])

    async def keep_later(self, asked: Callable[[], Awaitable[Asked]], answer: bytes, read: Read = pictures_in) -> None:
        """What fails is logged: the caller has the pictures. It only waits where many answers do."""
        task = asyncio.create_task(self._try(asked, answer, read), name="pictures to be kept")
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        if len(self._waiting) > MOST_WAITING:
            await asyncio.wait((task,))

    async def keep_input(self, owner: str, content: bytes) -> str:
        """A picture that was sent along with a request -> its artifact: what there is already is not kept twice."""
        return (await self._store.keep_once(owner, content, "vision")).id

    async def finish(self) -> None:
        while self._waiting:
            await asyncio.wait(self._waiting)

    async def _try(self, asked: Callable[[], Awaitable[Asked]], answer: bytes, read: Read) -> None:
        try:
            await self.keep(await asked(), answer, read)
        except ApiError as error:
            _logger.warning("a picture could not be kept: %s", error.message)

    async def _keep_one(self, asked: Asked, picture: Picture) -> Sidecar:
        try:
            content = await asyncio.to_thread(bytes_of, picture)
        except binascii.Error as error:
            message = "The engine's answer cannot be used: a picture in it is not base64."
            raise ApiError(502, "engine_error", message, origin=Origin.ENGINE) from error
        return await self._store.add(asked.owner, content, facts_of(asked, picture))
