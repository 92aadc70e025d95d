"""The store of keys as the event loop sees it: written elsewhere, and looked at for what other workers changed.

A key that was revoked finds no new request from then on; what its holder has in flight finishes.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from pydantic import ValidationError

from contract.errors import DO_NOT_RETRY, ApiError
from contract.keys import NO_LIMITS, KeyCreated, KeyInfo, KeyList, KeyWish
from proxy.access.database import KeyDatabase, LastAdminKey
from proxy.access.key_rows import Contents
from proxy.access.keyring import FIRST_ID, Keyring
from proxy.access.keys import Key, digest_of, new_key, text_of
from proxy.access.usage_book import UsageBook

T = TypeVar("T")

LOOK_SECONDS = 0.4
STORE_ERRORS = (sqlite3.Error, OSError, ValidationError)

_logger = logging.getLogger("roundhouse.proxy.keys")


class KeyStore:
    """Keeps the ring up to date, and the book written down. Its own thread does all that may block.

    `spread` has the other workers do `refresh`, where there are any, and returns when they have.
    """

    def __init__(
        self, database: KeyDatabase, ring: Keyring, book: UsageBook, spread: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._database = database
        self._ring = ring
        self._book = book
        self._spread = spread
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keys")
        self._ending = asyncio.Event()
        self._complaint = ""
        self._usage_complaint = ""

    def load(self) -> None:
        """Before the first request: blocks. What cannot be read is the ring's trouble, and no start is refused."""
        try:
            self._take(self._database.read())
        except STORE_ERRORS as error:
            self._trouble(error)

    async def follow(self) -> None:
        """See what others change, and write down what was used, until `close`."""
        while not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._ending.wait()
            await self.refresh()

    async def refresh(self) -> None:
        """See what others changed, and write down what was used, now."""
        await self._look()
        await self._write_usage()

    async def close(self, follower: asyncio.Task[None]) -> None:
        """Write down the last of the usage. `follower` runs `follow`."""
        self._ending.set()
        await follower
        await self._elsewhere(self._database.close)
        self._thread.shutdown()

    async def create(self, wish: KeyWish) -> KeyCreated:
        """Make a key. It is in force when this returns. Raises ApiError (409, 503)."""
        key_id, secret = new_key()
        models = frozenset(wish.models) if wish.models is not None else None
        digest = digest_of(secret.encode())
        key = Key(key_id, digest, wish.name, wish.user, wish.admin, models, wish.limits)
        needed = not self._ring.has_first
        info = await self._change(lambda: self._database.add(key, wish, int(time.time()), needed))
        return KeyCreated(key=text_of(key_id, secret), **info.model_dump())

    async def revoke(self, key_id: str) -> KeyInfo:
        """End a key. Within a second it is in force in no worker. Raises ApiError (404, 409, 503)."""
        needed = not self._ring.has_first
        try:
            return await self._change(lambda: self._database.revoke(key_id, int(time.time()), needed))
        except LookupError as error:
            raise ApiError(404, "not_found", f"There is no key {key_id[:64]}.") from error

    async def list(self) -> KeyList:
        """Every key that ever was, and the key file's, with what they used until now. Raises ApiError (503)."""
        await asyncio.shield(asyncio.create_task(self._write_usage()))  # half of it would be lost with its caller
        await self._tell_others()
        keys = await self._told(self._database.infos)
        first = (await self._told(self._first),) if self._ring.has_first else ()
        return KeyList(keys=(*first, *keys))

    def _first(self) -> KeyInfo:
        """The key file's key, which has no row of its own."""
        usage = self._database.usage_of(FIRST_ID)
        fixed = {"id": FIRST_ID, "name": "the key file's", "user": None, "admin": True, "models": None}
        limits = {"limits": NO_LIMITS, "user_limits": NO_LIMITS}
        return KeyInfo.model_validate({**fixed, **limits, "created": 0, "revoked": None, "usage": usage})

    async def _change(self, write: Callable[[], KeyInfo]) -> KeyInfo:
        try:
            info = await self._told(write)
        except LastAdminKey as error:
            message = "Without an admin's key in force nobody could use /admin/*: make one first (admin: true)."
            raise ApiError(409, "admin_key_required", message, headers=DO_NOT_RETRY) from error
        await self._look()
        await self._tell_others()
        return info

    async def _tell_others(self) -> None:
        """Who does not hear of it sees it by itself, a moment later."""
        if self._spread is not None:
            await self._spread()

    async def _told(self, work: Callable[[], T]) -> T:
        """Work of the store, whose failure the caller is told. Raises ApiError (503)."""
        try:
            return await self._elsewhere(work)
        except STORE_ERRORS as error:
            _logger.error("the store of keys: %s", error)
            message = "The store of keys cannot be used at the moment; the proxy's log says why."
            raise ApiError(503, "keys_unavailable", message, headers={"retry-after": "2"}) from error

    async def _look(self) -> None:
        try:
            contents = await self._elsewhere(self._database.read)
        except STORE_ERRORS as error:
            self._trouble(error)
        else:
            self._take(contents)

    def _take(self, contents: Contents | None) -> None:
        """News, or None where there are none."""
        if contents is not None:
            self._ring.take(contents.keys, contents.users, contents.ever)
        if self._ring.trouble is not None or self._complaint:
            _logger.warning("the store of keys can be read again")
        self._ring.trouble = None
        self._complaint = ""

    def _trouble(self, error: Exception) -> None:
        """Whoever cannot see what was revoked must let nobody in."""
        self._ring.trouble = str(error)
        self._ring.is_demanded = True
        if str(error) != self._complaint:
            _logger.error("the store of keys cannot be read, its keys are refused until it can: %s", error)
        self._complaint = str(error)

    async def _write_usage(self) -> None:
        rows = self._book.tear_off()
        if not rows:
            return
        try:
            await self._elsewhere(lambda: self._database.count(rows))
        except STORE_ERRORS as error:
            self._book.put_back(rows)
            if str(error) != self._usage_complaint:
                _logger.error("what was used cannot be written down, it is kept in memory: %s", error)
            self._usage_complaint = str(error)
        else:
            self._usage_complaint = ""

    def _elsewhere(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)
