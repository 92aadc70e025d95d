"""The catalogue as the manager tells it, kept in memory by one task that follows the manager's events."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress

from pydantic import ValidationError

from contract.catalogue import Catalogue
from contract.errors import ApiError
from contract.states import ModelList, ModelStatus
from proxy.gateway.directory import Directory
from proxy.gateway.manager import Manager, ManagerAbsent
from proxy.metrics.model_watch import ModelWatch

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0

_logger = logging.getLogger("roundhouse.proxy")


class CatalogueFeed:
    """`directory` is the last that was told, and stays while the manager is away; None before it was ever reached."""

    def __init__(self, manager: Manager, watch: ModelWatch, wait: float) -> None:
        self._manager = manager
        self._watch = watch
        self._wait = wait
        self._known = asyncio.Event()
        self._catalogue: Catalogue | None = None
        self._pause = FIRST_PAUSE
        self._complaint = ""
        self.directory: Directory | None = None
        self.followers: list[Callable[[ModelStatus], None]] = []  # each is told how a model stands now

    async def get(self) -> Directory:
        """The directory, waited for at most `wait` seconds. Raises ManagerAbsent."""
        if self.directory is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait):
                    await self._known.wait()
        if self.directory is None:
            raise ManagerAbsent("the manager was never reached")
        return self.directory

    async def follow(self) -> None:
        """Follow the manager for ever."""
        while True:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            try:
                await self._follow_once()
            except ManagerAbsent as error:
                self._complain(error.reason)
            except ApiError as error:
                self._complain(repr(error))
            await asyncio.sleep(self._pause)

    def _complain(self, reason: str) -> None:
        if reason != self._complaint:
            _logger.warning("the manager's events: %s", reason)
        self._complaint = reason

    async def _follow_once(self) -> None:
        async with self._manager.events() as lines, aclosing(_events(lines)) as events:
            async for kind, data in events:
                self._take(kind, data)
                self._pause = FIRST_PAUSE
        raise ManagerAbsent("the manager closed the stream")

    def _take(self, kind: bytes, data: bytes) -> None:
        try:
            self._learn(kind, data)
        except ValidationError as error:
            raise ManagerAbsent(f"event {kind.decode(errors='replace')}: {error}") from error

    def _learn(self, kind: bytes, data: bytes) -> None:
        match kind:
            case b"catalogue":
                self._catalogue = Catalogue.model_validate_json(b'{"models": ' + data + b"}")
            case b"models" if self._catalogue is not None:
                models = ModelList.model_validate_json(data).models
                self.directory = Directory.of(self._catalogue, models)
                self._watch.know(models)
                self._known.set()
            case b"model" if self.directory is not None:
                status = ModelStatus.model_validate_json(data)
                self.directory = self.directory.with_status(status)
                if status.name in self.directory.catalogue.models:
                    self._watch.learn(status)
                    for follower in self.followers:
                        follower(status)


async def _events(lines: AsyncIterator[bytes]) -> AsyncGenerator[tuple[bytes, bytes], None]:
    """Lines of a stream -> each event's kind and data. Comments are left out."""
    kind, data = b"", b""
    async for line in lines:
        field, _, value = line.rstrip(b"\r").partition(b":")
        if field == b"event":
            kind = value.strip()
        elif field == b"data":
            data += value.strip()
        elif not field and data:
            yield kind, data
            kind, data = b"", b""
