"""Hung, or only busy? Pure: it is told what was seen and when."""

from manager.running.metrics import Sample


class Watchdog:
    """Watches one engine that serves, for `patience` seconds without progress or answer.

    An engine is hung that has work and makes no progress for that long, or gives no sample for as long. One that
    never gave a sample (a container made by others, without such metrics) is not watched. A gap between two looks
    counts for `longest_look` seconds at most: when the whole machine stood still, nothing is held against an engine.
    """

    def __init__(self, patience: float, longest_look: float) -> None:
        self._patience = patience
        self._longest_look = longest_look
        self._sample: Sample | None = None
        self._looked = 0.0
        self._silent = 0.0
        self._stuck = 0.0

    def __repr__(self) -> str:
        if self._sample is None:
            return "<Watchdog that has seen nothing>"
        return f"<Watchdog: silent for {self._silent:.0f} s, without progress for {self._stuck:.0f} s>"

    def begin_anew(self) -> None:
        """The engine serves again after a rest: what was before counts no more."""
        self._silent = self._stuck = 0.0

    def look(self, now: float, sample: Sample | None) -> str | None:
        """Why the engine counts as hung, or None. `sample` is None where it gave none; `now` never goes back."""
        since, self._looked = min(now - self._looked, self._longest_look), now
        if sample is None:
            return self._without_answer(since)
        if self._sample is None or sample.outstanding <= 0 or sample.progress != self._sample.progress:
            self._stuck = 0.0
        else:
            self._stuck += self._silent + since
        self._sample, self._silent = sample, 0.0
        if self._stuck < self._patience:
            return None
        return f"it has {sample.outstanding:.0f} requests and made no progress for {self._stuck:.0f} s"

    def _without_answer(self, since: float) -> str | None:
        if self._sample is None:
            return None
        self._silent += since
        if self._silent < self._patience:
            return None
        return f"it has not answered /metrics for {self._silent:.0f} s"
