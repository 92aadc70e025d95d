"""What became of one request at its engine, counted as it passes: for limits, for what keys used, and for metrics."""

from collections.abc import Callable
from time import perf_counter
from typing import Final

from contract.usage import Usage
from proxy.gateway.usage_report import USAGE_MARK, greater, read_events

NONE: Final = Usage()


class Tally:
    """Filled by `forward.py`. `hides_usage`: the events that tell the usage were asked for by us, not by the caller.

    is_sent: an engine has the request
    is_refused: the engine said no to it, and did no work
    is_whole: the answer came to its end
    events: of a stream, those that were passed on
    first_at: when the first of them came, in seconds of `time.perf_counter`
    """

    __slots__ = ("events", "first_at", "hides_usage", "is_refused", "is_sent", "is_whole", "usage")

    def __init__(self, hides_usage: bool = False) -> None:
        self.hides_usage = hides_usage
        self.is_sent = False
        self.is_refused = False
        self.is_whole = False
        self.events = 0
        self.first_at: float | None = None
        self.usage: Usage | None = None

    def take(self, events: bytes) -> bytes:
        """Whole events of a stream -> those that are the caller's."""
        if self.first_at is None:
            self.first_at = perf_counter()
        self.events += events.count(b"\n\n") or events.count(b"\r\n\r\n")
        if USAGE_MARK not in events:
            return events
        used, kept = read_events(events, self.hides_usage)
        if used is not None:
            self.usage = greater(self.usage, used)
        return kept

    def spent(self, expect: Callable[[], Usage]) -> Usage | None:
        """What the request cost: what its engine reported, else what is known; None: no engine worked for it.

        A stream that was left has cost a token for each event, a plain answer that was left what had been expected.
        `/v1/messages` tells the prompt's tokens at the beginning: they are the engine's word, the answer's are not yet.
        """
        if self.usage is not None and (self.usage.completion_tokens or not self.events):
            return self.usage
        if not self.is_sent or self.is_refused:
            return None
        if self.is_whole and not self.events:
            return NONE
        expected = expect()
        if not (self.events and expected.total):
            return self.usage or expected
        return Usage((self.usage or expected).prompt_tokens, self.events)
