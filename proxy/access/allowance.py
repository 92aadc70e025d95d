"""What one key, or one user's keys together, may still have. Pure: time is told, and nothing waits.

Between `refusal` and `take` nothing may be awaited: that is what makes the limits exact.
"""

from dataclasses import dataclass

from contract.keys import KeyLimits
from proxy.access.bucket import Bucket

PAUSE = 1.0  # seconds until it is worth asking again for a place among the concurrent: nobody knows when one leaves


@dataclass(frozen=True)
class Refusal:
    """Which limit stands in the way, and for how many seconds."""

    what: str
    seconds: float


class Allowance:
    """The limits of one holder, and how much of them is used. `buckets`: of requests and of tokens, where limited."""

    __slots__ = ("_requests", "_tokens", "buckets", "holder", "limits", "running")

    def __init__(self, holder: str, limits: KeyLimits, now: float) -> None:
        self.holder = holder
        self.running = 0
        self.adopt(limits, now)

    def __repr__(self) -> str:
        return f"<Allowance of {self.holder}: {self.running} running, {self._requests}, {self._tokens}>"

    def adopt(self, limits: KeyLimits, now: float) -> None:
        """New limits begin full; what runs goes on and is counted."""
        self.limits = limits
        self._requests = _bucket(limits.requests_per_minute, now)
        self._tokens = _bucket(limits.tokens_per_minute, now)
        self.buckets = (self._requests, self._tokens)

    def refusal(self, tokens: int, now: float) -> Refusal | None:
        """Why a request of so many tokens cannot begin now; None: it can, take it."""
        most = self.limits.concurrent_requests
        if most is not None and self.running >= most:
            return Refusal(f"{most} requests at a time", PAUSE)
        if self._requests is not None and (wait := self._requests.wait(1, now)):
            return Refusal(f"{self._requests.size} requests per minute", wait)
        if self._tokens is not None and (wait := self._tokens.wait(tokens, now)):
            return Refusal(f"{self._tokens.size} tokens per minute", wait)
        return None

    def take(self, tokens: int) -> int:
        """A request begins -> the tokens that are reserved for it: never more than a minute's."""
        self.running += 1
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is None:
            return 0
        reserved = min(tokens, self._tokens.size)
        self._tokens.take(reserved)
        return reserved

    def settle(self, reserved: int, spent: int) -> None:
        """A request has ended: once for every `take`."""
        self.running -= 1
        if self._tokens is None:
            return
        if spent > reserved:
            self._tokens.take(spent - reserved)
        else:
            self._tokens.give_back(reserved - spent)


def _bucket(size: int | None, now: float) -> Bucket | None:
    return None if size is None else Bucket(size, now)
