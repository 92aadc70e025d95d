"""A minute's worth of something: taken at once or bit by bit, and filled again as time passes."""


class Bucket:
    """Holds `size` at most, and gains `size` a minute. All times are seconds of one monotonic clock.

    What was reserved and turned out to be more leaves a debt, which the next have to wait for.
    """

    __slots__ = ("_at", "_level", "_rate", "size")

    def __init__(self, size: int, now: float) -> None:
        self.size = size
        self._rate = size / 60.0
        self._level = float(size)
        self._at = now

    def __repr__(self) -> str:
        return f"<Bucket {self._level:.1f} of {self.size}>"

    @property
    def state(self) -> tuple[float, float]:
        """What was in it, and when: with `size`, all that there is to know of it."""
        return self._level, self._at

    def restore(self, level: float, at: float) -> None:
        """Be as another was."""
        self._level = level
        self._at = at

    def level(self, now: float) -> float:
        """What is in it; less than 0 is a debt."""
        if now > self._at:
            self._level = min(float(self.size), self._level + (now - self._at) * self._rate)
            self._at = now
        return self._level

    def wait(self, amount: float, now: float) -> float:
        """Seconds until it holds so much; 0: it does. More than it can hold is asked as if for all of it."""
        missing = min(amount, self.size) - self.level(now)
        return missing / self._rate if missing > 0 else 0.0

    def take(self, amount: float) -> None:
        """Take it, or owe it: ask `wait` before."""
        self._level -= amount

    def give_back(self, amount: float) -> None:
        self._level = min(float(self.size), self._level + amount)

    def until_full(self, now: float) -> float:
        """Seconds until nothing is missing."""
        return (self.size - self.level(now)) / self._rate
