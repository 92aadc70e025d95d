"""Prometheus' text form, version 0.0.4: what both services tell of themselves, the manager through the proxy."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import accumulate
from typing import Final, Protocol

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
NO_LABELS: Final[Labels] = {}


class Distribution(Protocol):
    """Values that were counted by their size. `total` is their sum."""

    @property
    def total(self) -> float: ...

    @property
    def count(self) -> int: ...

    def cumulative(self) -> Iterable[tuple[str, int]]:
        """Each bound as Prometheus writes it, and how many values were not above it."""
        ...


class Histogram:
    """Counts values by the first bound that is not below them: whole numbers that are added to, and nothing else."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total: float = 0.0

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


class Exposition:
    """A text that families are added to, each once and whole."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def gauge(self, name: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        self._family(name, "gauge", help_text)
        self._lines += [f"{name}{_braced(labels)} {_number(value)}" for labels, value in samples]

    def counter(self, name: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """`name` ends in `_total`."""
        self._family(name, "counter", help_text)
        self._lines += [f"{name}{_braced(labels)} {_number(value)}" for labels, value in samples]

    def histogram(self, name: str, help_text: str, samples: Iterable[tuple[Labels, Distribution]]) -> None:
        self._family(name, "histogram", help_text)
        for labels, histogram in samples:
            braced = _braced(labels)
            inside = f"{braced[1:-1]}," if braced else ""
            buckets = histogram.cumulative()
            self._lines += [f'{name}_bucket{{{inside}le="{bound}"}} {count}' for bound, count in buckets]
            self._lines.append(f"{name}_sum{braced} {_number(histogram.total)}")
            self._lines.append(f"{name}_count{braced} {histogram.count}")

    def encode(self) -> bytes:
        return ("\n".join(self._lines) + "\n").encode()

    def _family(self, name: str, kind: str, help_text: str) -> None:
        self._lines += (f"# HELP {name} {help_text}", f"# TYPE {name} {kind}")


def _braced(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
