"""What one key, or one user's keys together, may still have. Pure: time is told, and nothing waits.

Between `refusal` and `take` nothing may be awaited: that is what makes the limits exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contract.keys import KeyLimits
from proxy.access.bucket import Bucket

PAUSE: Final = 1.0  # seconds until it is worth asking again for a place: nobody knows when one leaves


@dataclass(frozen=True)
class Refusal:
    """Whose limit stands in the way, which, and for how many seconds."""

    holder: str
    what: str
    seconds: float


class Allowance:
    """The limits of one holder, and how much of them is used."""

    __slots__ = ("_requests", "_tokens", "holder", "limits", "running")

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

    @property
    def buckets(self) -> tuple[Bucket | None, Bucket | None]:
        """Of requests and of tokens, where limited."""
        return self._requests, self._tokens

    def refusal(self, tokens: int, now: float) -> Refusal | None:
        """Why a request of so many tokens cannot begin now; None: it can, take it."""
        most = self.limits.concurrent_requests
        if most is not None and self.running >= most:
            return Refusal(self.holder, f"{most} requests at a time", PAUSE)
        if self._requests is not None and (wait := self._requests.wait(1, now)):
            return Refusal(self.holder, f"{self._requests.size} requests per minute", wait)
        if self._tokens is not None and (wait := self._tokens.wait(tokens, now)):
            return Refusal(self.holder, f"{self._tokens.size} tokens per minute", wait)
        return None

    def crowding(self) -> Refusal | None:
        """Why nothing more can run at this moment; None: it can."""
        most = self.limits.concurrent_requests
        is_full = most is not None and self.running >= most
        return Refusal(self.holder, f"{most} requests at a time", PAUSE) if is_full else None

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

    def begin(self, tokens: int, now: float) -> int | Refusal:
        """`refusal`, and `take` where there is none, in one step."""
        most = self.limits.concurrent_requests
        if most is not None and self.running >= most:
            return Refusal(self.holder, f"{most} requests at a time", PAUSE)
        requests, bucket = self._requests, self._tokens
        if requests is not None and (wait := requests.draw(1, now)):
            return Refusal(self.holder, f"{requests.size} requests per minute", wait)
        if bucket is not None and (wait := bucket.draw(tokens, now)):
            if requests is not None:
                requests.give_back(1)
            return Refusal(self.holder, f"{bucket.size} tokens per minute", wait)
        self.running += 1
        return 0 if bucket is None else min(tokens, bucket.size)

    def settle(self, reserved: int, spent: int) -> None:
        """A request has ended: once for every `take`."""
        self.running -= 1
        if self._tokens is None:
            return
        if spent > reserved:
            self._tokens.take(spent - reserved)
        else:
            self._tokens.give_back(reserved - spent)


class Limits:
    """How the allowances of one request are taken together, and settled. Here they are this process's own."""

    def allowance(self, holder: str, limits: KeyLimits, now: float) -> Allowance:
        """A holder's: full, or what is left of it."""
        return Allowance(holder, limits, now)

    def take(self, allowances: Sequence[Allowance], tokens: int, now: float) -> tuple[int, ...] | Refusal:
        """What is reserved of each; or why nothing was taken of any."""
        if len(allowances) == 1:  # the usual, twice as fast
            taken = allowances[0].begin(tokens, now)
            return taken if isinstance(taken, Refusal) else (taken,)
        for allowance in allowances:
            refusal = allowance.refusal(tokens, now)
            if refusal is not None:
                return refusal
        return tuple(allowance.take(tokens) for allowance in allowances)

    def occupy(self, allowances: Sequence[Allowance], now: float) -> Refusal | None:
        """A place among the concurrent of each, and nothing else; or why none was taken. `settle` gives it back."""
        for allowance in allowances:
            refusal = allowance.crowding()
            if refusal is not None:
                return refusal
        for allowance in allowances:
            allowance.running += 1
        return None

    def settle(self, allowances: Sequence[Allowance], reserved: Sequence[int], spent: int) -> None:
        """A request that took of them has ended: once for every `take`."""
        if len(reserved) == 1:
            allowances[0].settle(reserved[0], spent)
            return
        for allowance, share in zip(allowances, reserved, strict=True):
            allowance.settle(share, spent)


OWN_LIMITS: Final = Limits()  # it holds nothing of its own


def _bucket(size: int | None, now: float) -> Bucket | None:
    return None if size is None else Bucket(size, now)
