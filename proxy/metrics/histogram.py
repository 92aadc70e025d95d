"""A histogram of fixed bounds: whole numbers that are added to, and nothing else."""

from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from itertools import accumulate


class Histogram:
    """Counts values by the first bound that is not below them. `total` is their sum."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total: float = 0

    def observe(self, value: float) -> None:
        """Count a value in."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self._counts)

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """Each bound as Prometheus writes it, and how many values were not above it."""
        return zip(_texts(self._bounds), accumulate(self._counts), strict=True)


@cache
def _texts(bounds: tuple[float, ...]) -> tuple[str, ...]:
    return (*map(str, bounds), "+Inf")
