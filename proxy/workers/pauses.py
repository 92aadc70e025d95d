"""How long to wait before a worker is started again: pure."""

from collections.abc import Callable

SHORTEST = 0.1
LONGEST = 30.0
HEALTHY = 60.0  # seconds of life after which what was before counts no more


class Pauses:
    """Each pause is twice the last while lives are short."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = SHORTEST
        self._began = 0.0

    def begin(self) -> None:
        """A life begins."""
        self._began = self._clock()

    def end(self) -> float:
        """It has ended -> the seconds to wait."""
        if self._clock() - self._began >= HEALTHY:
            self._next = SHORTEST
        pause, self._next = self._next, min(2 * self._next, LONGEST)
        return pause
