"""One fetch of a model's weights: a task of its own before a start, which tells how far it is and how it ended."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from manager.events import Fetched, FetchEnded, FetchEvent
from manager.specification import EngineError, Failure

log = logging.getLogger(__name__)

# Makes sure that the weights are here; tells bytes and total while they come. Raises EngineError.
Fetch = Callable[[Callable[[int, int], None]], Awaitable[None]]
PostFetch = Callable[[FetchEvent], None]


class Fetching:
    """Posts `Fetched` while it goes on, and `FetchEnded` once, unless it was cancelled."""

    def __init__(self, model: str, number: int, fetch: Fetch, post: PostFetch) -> None:
        self.model = model
        self.number = number
        self.fetch = fetch
        self.post = post
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Fetching {self.model}, run {self.number}>"

    def begin(self) -> None:
        self._task = asyncio.create_task(self._fetch(), name=f"fetch of {self.model}")
        self._task.add_done_callback(self._report_fault)

    def cancel(self) -> None:
        """Nobody wants the weights any more: nothing is posted from here on. What is here stays for another time."""
        if self._task is not None:
            self._task.cancel()

    async def _fetch(self) -> None:
        try:
            await self.fetch(self._fetched)
        except EngineError as error:
            self._end(error.failure)
        else:
            self._end(None)

    def _fetched(self, here: int, total: int) -> None:
        self.post(Fetched(self.model, self.number, here, total))

    def _end(self, failure: Failure | None) -> None:
        self.post(FetchEnded(self.model, self.number, failure))

    def _report_fault(self, task: asyncio.Task[None]) -> None:
        """A fetch that ends in an error that nobody foresaw has ended all the same: its callers are told."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("%r failed", self, exc_info=error)
            self._end(Failure("fetch_failed", f"the weights could not be fetched: {error}"))
