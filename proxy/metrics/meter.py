"""What is counted of each request: whole numbers, in places that are made once.

No label ever comes from a caller: paths are the router's, models the catalogue's. The limits hold all the same, so
that no mistake of ours lets the numbers grow without end; what is past them counts as OTHER.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from contract.prometheus import Histogram
from proxy.metrics.conventions import DURATION, FIRST_TOKEN, PER_TOKEN, TOKENS

SERIES_LIMIT: Final = 300  # each is a hundred lines: more would keep the loop busy for long at each scrape
COUNTS_LIMIT: Final = 1000
OTHER: Final = "other"


class Tokens(Protocol):
    """What an engine reports of a request."""

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def completion_tokens(self) -> int: ...


class Series:
    """The requests of one path and one model. `failures`: status -> durations of those that ended so."""

    __slots__ = ("completion_tokens", "duration", "failures", "first_token", "per_token", "prompt_tokens")

    def __init__(self) -> None:
        self.duration = Histogram(DURATION)
        self.failures: dict[int, Histogram] = {}
        self.first_token = Histogram(FIRST_TOKEN)
        self.per_token = Histogram(PER_TOKEN)
        self.prompt_tokens = Histogram(TOKENS)
        self.completion_tokens = Histogram(TOKENS)

    def count(self, seconds: float, first_token_seconds: float | None, usage: Tokens | None) -> None:
        """A request's answer, whole or not: its tokens, and when they came."""
        if first_token_seconds is not None:
            self.first_token.observe(first_token_seconds)
        if usage is not None:
            self.prompt_tokens.observe(usage.prompt_tokens)
            self.completion_tokens.observe(usage.completion_tokens)
            if first_token_seconds is not None and usage.completion_tokens > 1:
                self.per_token.observe((seconds - first_token_seconds) / (usage.completion_tokens - 1))

    def end(self, status: int, seconds: float) -> None:
        """A request's end. Below 400 it is a success."""
        if status < 400:
            self.duration.observe(seconds)
            return
        failed = self.failures.get(status)
        if failed is None:
            failed = self.failures[status] = Histogram(DURATION)
        failed.observe(seconds)


class Meter:
    """One worker's. `asked` counts every request; `done` those that a model was found for."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str, int], list[int]] = {}  # each a list of one: found once, and added to
        self._series: dict[tuple[str, str], Series] = {}

    @property
    def requests(self) -> Mapping[tuple[str, str, int], int]:
        """Path, model and first digit of the status -> how many."""
        return {key: count for key, (count,) in self._asked.items()}

    @property
    def series(self) -> Mapping[tuple[str, str], Series]:
        """Path and model -> what was measured."""
        return self._series

    def asked(self, path: str, model: str, status: int) -> None:
        """Any request is over. `model` is empty where none was found for it."""
        count = self._asked.get((path, model, status // 100)) or self._first(path, model, status // 100)
        count[0] += 1

    def _first(self, path: str, model: str, digit: int) -> list[int]:
        key = (path, model, digit) if len(self._asked) < COUNTS_LIMIT else (OTHER, OTHER, digit)
        return self._asked.setdefault(key, [0])

    def done(  # noqa: PLR0917
        self,
        path: str,
        model: str,
        status: int,
        seconds: float,
        first_token_seconds: float | None,
        usage: Tokens | None,
    ) -> None:
        """A model's request is over, however it ended; 499: its caller left. Times since it was understood."""
        series = self._series.get((path, model)) or self._open(path, model)
        series.end(status, seconds)
        series.count(seconds, first_token_seconds, usage)

    def used(self, path: str, model: str, usage: Tokens) -> None:
        """What a request used, which its engine said after the answer."""
        (self._series.get((path, model)) or self._open(path, model)).count(0.0, None, usage)

    def _open(self, path: str, model: str) -> Series:
        key = (path, model) if len(self._series) < SERIES_LIMIT else (OTHER, OTHER)
        return self._series.setdefault(key, Series())
