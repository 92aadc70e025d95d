"""Where the event loop leaves what is wanted and the worker's thread takes it: the one lock between the two."""

import threading
import time
from collections.abc import Iterable

from images.diffusers.server.progress import Ticket
from images.diffusers.server.waiting import Command, Waiting


class Desk:
    """What waits, and what the thread has in hand. Every method may be called from either side."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._waiting = Waiting()
        self._busy: tuple[Ticket, ...] = ()
        self._closed = False

    @property
    def running(self) -> int:
        """Requests of which a picture is being made."""
        with self._lock:
            return len(_jobs(self._busy))

    @property
    def waiting(self) -> int:
        """Requests of which none is."""
        with self._lock:
            return len(self._waiting.jobs() - _jobs(self._busy))

    def leave(self, items: Iterable[Ticket | Command]) -> None:
        with self._lock:
            for item in items:
                self._waiting.add(item)
            self._lock.notify()

    def close(self) -> list[Ticket | Command]:
        """Nothing is taken from now on. Gives what waited; what is in hand is called off."""
        with self._lock:
            self._closed = True
            for ticket in self._busy:
                ticket.job.cancel()
            self._lock.notify()
            return self._waiting.drain()

    def take(self) -> Ticket | Command | None:
        """Waits for what is next; None when the desk is closed."""
        with self._lock:
            while not self._closed:
                item = self._waiting.take()
                self._busy = (item,) if isinstance(item, Ticket) else ()
                if item is not None:
                    return item
                self._lock.wait()
            return None

    def gather(self, first: Ticket, most: int, seconds: float) -> tuple[Ticket, ...]:
        """`first` and those that fit it, of which some may be up to so many seconds behind."""
        until = time.monotonic() + seconds
        with self._lock:
            self._busy = (first, *self._waiting.fitting(first, most - 1))
            while len(self._busy) < most and not self._waiting and (left := until - time.monotonic()) > 0:
                self._lock.wait(left)
                self._busy += self._waiting.fitting(first, most - len(self._busy))
            return self._busy

    def done(self, batch: tuple[Ticket, ...]) -> None:
        """These are no longer in hand."""
        with self._lock:
            self._busy = tuple(ticket for ticket in self._busy if ticket not in batch)


def _jobs(tickets: Iterable[Ticket]) -> set[int]:
    return {id(ticket.job) for ticket in tickets}
