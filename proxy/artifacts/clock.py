"""The time for what has an end: nothing is removed early because somebody set the machine's clock."""

import time
from collections.abc import Callable


class TwoClocks:
    """The clock on the wall, and one that nobody sets, which began with it. Seconds since 1970."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()

    def stamp(self) -> float:
        """For what is made now: never earlier than it is."""
        return max(self._wall(), self._steady() + self._offset)

    def surely(self) -> float:
        """For what may be too old: never later than it is."""
        return min(self._wall(), self._steady() + self._offset)
