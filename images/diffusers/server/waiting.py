"""What waits for the worker's thread: tickets and commands in order of arrival. Pure; the worker holds the lock."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from images.diffusers.server.progress import Ticket


@dataclass(frozen=True)
class Command:
    """Something other than a picture, done between two batches. `done` gets the seconds that it took."""

    run: Callable[[], None]
    done: "asyncio.Future[float]"

    def finish(self, error: Exception | None, since: float) -> None:
        """From the worker's thread; a caller who has left is not told."""
        loop = self.done.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._settle, error, time.monotonic() - since)

    def _settle(self, error: Exception | None, seconds: float) -> None:
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(seconds)


class Waiting:
    """The queue. Tickets that were called off leave it when they are come upon."""

    def __init__(self) -> None:
        self._items: deque[Ticket | Command] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Ticket | Command) -> None:
        self._items.append(item)

    def jobs(self) -> set[int]:
        """The identities of the requests that wait."""
        return {id(item.job) for item in self._items if isinstance(item, Ticket) and not item.job.cancelled}

    def drain(self) -> list[Ticket | Command]:
        items = list(self._items)
        self._items.clear()
        return items

    def take(self) -> Ticket | Command | None:
        """The first that is still wanted."""
        while self._items:
            item = self._items.popleft()
            if isinstance(item, Command) or not item.job.cancelled:
                return item
        return None

    def fitting(self, first: Ticket, most: int) -> tuple[Ticket, ...]:
        """Takes out up to `most` tickets that can be denoised with `first`; none from beyond a command."""
        chosen: list[Ticket] = []
        left: deque[Ticket | Command] = deque()
        while self._items and len(chosen) < most and isinstance(self._items[0], Ticket):
            item = self._items.popleft()
            if isinstance(item, Ticket) and not item.job.cancelled and first.task.fits(item.task):
                chosen.append(item)
            else:
                left.append(item)
        self._items.extendleft(reversed(left))
        return tuple(chosen)
