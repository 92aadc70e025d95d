"""A deadline that moves often and fires seldom."""

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls `expired` once, when the loop's clock passes the time last set.

    Moving it later is one store: the running timer finds the new time when it fires and arms itself again. So a
    deadline for every read of every connection costs no timer for each read.
    """

    __slots__ = ("_at", "_expired", "_fires", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fires = 0.0  # when the timer does; uvloop's own does not say for one that is due at once

    def set(self, seconds: float) -> None:
        """Expire `seconds` from now, and not before."""
        self._at = at = self._loop.time() + seconds
        if self._timer is None:
            self._arm(at)
        elif self._fires > at:
            self._timer.cancel()
            self._arm(at)

    def clear(self) -> None:
        """Do not expire until set again."""
        self._at = None

    def close(self) -> None:
        """Never expire again, and keep nothing alive."""
        self._at = None
        self._expired = _never
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        self._fires = at
        self._timer = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._at is None:
            return
        if self._at > self._loop.time():
            self._arm(self._at)
            return
        self._at = None
        self._expired()


def _never() -> None:
    """What a closed deadline calls: its owner's method would keep the owner, who keeps the deadline."""
