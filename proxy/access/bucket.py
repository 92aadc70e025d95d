"""A minute's worth of something: taken at once or bit by bit, and filled again as time passes."""


class Bucket:
    """Holds `size` at most, and gains `size` a minute. All times are seconds of one monotonic clock.

    What was reserved and turned out to be more leaves a debt, which the next have to wait for. `told_size` is `size` in
    digits, which every answer holds.
    """

    __slots__ = ("_at", "_level", "_rate", "size", "told_size")

    def __init__(self, size: int, now: float) -> None:
        self.size = size
        self.told_size = b"%d" % size
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
        now = max(now, self._at)
        self._level = min(self._level + (now - self._at) * self._rate, self.size)
        self._at = now
        return self._level

    def wait(self, amount: float, now: float) -> float:
        """Seconds until it holds so much; 0: it does. More than it can hold is asked as if for all of it."""
        return max(0.0, min(amount, self.size) - self.level(now)) / self._rate

    def draw(self, amount: float, now: float) -> float:
        """`wait`, and `take` where that is 0."""
        level = self.level(now)
        wanted = min(amount, self.size)
        if level < wanted:
            return (wanted - level) / self._rate
        self._level = level - wanted
        return 0.0

    def take(self, amount: float) -> None:
        """Take it, or owe it: ask `wait` before."""
        self._level -= amount

    def give_back(self, amount: float) -> None:
        self._level = min(self._level + amount, self.size)

    def until_full(self, now: float) -> float:
        """Seconds until nothing is missing."""
        return (self.size - self.level(now)) / self._rate
