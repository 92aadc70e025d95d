"""Folder, index and threads together, as the event loop uses them: opened at the first use, failures told.

What may block is a function that is given to `read` or `write`.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from contract.errors import ApiError
from proxy.access.signed import Signatures
from proxy.artifacts.clock import TwoClocks
from proxy.artifacts.failures import LITTLE, STORE_ERRORS, is_absence, not_found, told
from proxy.artifacts.folder import Folder
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.lookup import IndexSource
from proxy.artifacts.readers import Readers
from proxy.artifacts.secret import lasting_secret
from proxy.artifacts.shelf import Shelf
from proxy.artifacts.threads import Threads

T = TypeVar("T")

LOOKUPS = 4  # that read the index at once

_logger = logging.getLogger("roundhouse.proxy.artifacts")


class Backroom:
    """Made once. Every method raises ApiError: 503, and 507 for what writes."""

    def __init__(self, folder: Folder, limits: StoreLimits, signatures: Signatures, source: IndexSource) -> None:
        self.limits = limits
        self.signatures = signatures
        self.clocks = TwoClocks()
        self.folder = folder
        self.threads = Threads(folder.hands)
        self.shelf = Shelf(self.folder, limits, source)
        self.readers = Readers(self.folder, source, LOOKUPS)
        self._opening = asyncio.Lock()
        self._is_open = False

    async def open(self) -> None:
        """Make what is missing and put right what a killed process left."""
        if self._is_open:
            return
        async with self._opening:
            if not self._is_open:
                await self.told(self.threads.write(self._open))
                self._is_open = True

    async def close(self) -> None:
        if self._is_open:
            await self.threads.write(self._close)
        self._is_open = False
        self.threads.close()

    async def write(self, work: Callable[[], T]) -> T:
        """In turn with all else that is written."""
        await self.open()
        return await self.told(self.threads.write(work))

    async def read(self, work: Callable[[], T]) -> T:
        """Beside others. A file that is not there is a FileNotFoundError."""
        await self.open()
        return await self.told(self.threads.read(work), absence_too=False)

    async def of(self, artifact_id: str, reading: Awaitable[T]) -> T:
        """A read or a write of one artifact, which may not be there. Raises ApiError (404)."""
        try:
            return await reading
        except (LookupError, FileNotFoundError) as error:
            raise not_found(artifact_id) from error

    async def told(self, work: Awaitable[T], *, absence_too: bool = True) -> T:
        """What fails is told."""
        try:
            return await work
        except STORE_ERRORS as error:
            if is_absence(error) and not absence_too:
                raise
            free = await self.threads.read(self._free) if isinstance(error, sqlite3.OperationalError) else LITTLE
            raise told(error, free) from error

    def _open(self) -> None:
        self.shelf.open()
        self.readers.open()
        self.signatures.adopt(lasting_secret(self.folder.root))

    def _close(self) -> None:
        self.readers.close()
        self.shelf.close()

    def _free(self) -> int:
        with suppress(OSError):
            return self.folder.free()
        return LITTLE


async def log_failure(work: Awaitable[object], what: str) -> None:
    """For what nobody waits for."""
    try:
        await work
    except (ApiError, LookupError, *STORE_ERRORS) as error:
        _logger.warning("%s: %s", what, error)
