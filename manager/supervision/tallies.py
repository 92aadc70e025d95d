"""What models went through, counted: whole numbers since the manager began."""

from collections import Counter
from typing import Any, TypeVar

from contract.prometheus import Histogram
from manager.supervision.passages import Kind, Outcome, Passage

Key = TypeVar("Key", bound=tuple[str, *tuple[str, ...]])

SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0)


class Tallies:
    """A listener of passages.

    seconds: model, kind and outcome -> how long it took
    departures: model, kind (sleep or stop) and reason -> how often
    deaths: model and the failure's code -> how often its engine died
    restarts: model -> loads after a failure
    """

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, Kind, Outcome], Histogram] = {}
        self.departures: Counter[tuple[str, Kind, str]] = Counter()
        self.deaths: Counter[tuple[str, str]] = Counter()
        self.restarts: Counter[str] = Counter()

    def began(self, passage: Passage) -> None:
        if passage.kind in {Kind.SLEEP, Kind.STOP}:
            self.departures[passage.model, passage.kind, passage.reason] += 1
        if passage.death:
            self.deaths[passage.model, passage.death] += 1
        if passage.again:
            self.restarts[passage.model] += 1

    def reached(self, passage: Passage, phase: str) -> None:
        """Phases are for those who wait, and for traces."""

    def ended(self, passage: Passage, outcome: Outcome, seconds: float, code: str) -> None:
        key = (passage.model, passage.kind, outcome)
        self.seconds.setdefault(key, Histogram(SECONDS)).observe(seconds)

    def forget(self, model: str) -> None:
        """The model is gone, and what was counted of it."""
        self.restarts.pop(model, None)
        _drop(self.seconds, model)
        _drop(self.departures, model)
        _drop(self.deaths, model)


def _drop(counted: dict[Key, Any], model: str) -> None:
    for key in [key for key in counted if key[0] == model]:
        del counted[key]
