"""The arithmetic: percentiles, goals and tables."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MILLI, MICRO = 1e3, 1e6
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Goal:
    """A figure and its bound, in one unit. `at_least`: the figure may be more; otherwise it may be less."""

    what: str
    figure: float
    bound: float
    unit: str = ""
    at_least: bool = False
    digits: int = 2

    @property
    def is_met(self) -> bool:
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound

    def row(self) -> tuple[str, ...]:
        word = "at least" if self.at_least else "at most"
        figure, bound = (f"{value:,.{self.digits}f} {self.unit}".rstrip() for value in (self.figure, self.bound))
        return self.what, figure, f"{word} {bound}", "met" if self.is_met else "not met"


@dataclass(frozen=True)
class Part:
    """What one part found: a heading, what is in the table, the table (its first row the heads), and the goals."""

    title: str
    text: str
    table: tuple[tuple[str, ...], ...]
    goals: tuple[Goal, ...]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of them do not exceed. Raises ValueError for none."""
    if not values:
        raise ValueError("a percentile of nothing")
    ranked = sorted(values)
    rank = -(-len(ranked) * percent // 100)
    return ranked[max(0, int(rank) - 1)]


def median_of(values: Iterable[float]) -> float:
    return statistics.median(values)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first column to the left, the others to the right."""
    head, *body = rows
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def microseconds(seconds: float) -> str:
    return f"{seconds * MICRO:,.0f} µs"


def milliseconds(seconds: float) -> str:
    return f"{seconds * MILLI:,.2f} ms"


def mebibytes(size: float) -> str:
    return f"{size / MEBIBYTE:,.0f} MiB"


def rate(per_second: float) -> str:
    return f"{per_second:,.0f}"
