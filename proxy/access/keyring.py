"""The keys in force, in memory: what every request asks.

Whoever holds it on the event loop reads it without waiting; `store.py` brings it up to date.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from contract.keys import NO_LIMITS, KeyLimits
from proxy.access.allowance import OWN_LIMITS, Allowance, Limits
from proxy.access.keys import LONGEST, Key, digest_of, split_key

BEARER: Final = b"bearer "
BEARER_SIZE: Final = 7
FIRST_ID: Final = "file"
MOST_PROVED: Final = 10_000
DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Grant:
    """A key in force, and the allowances that its requests are taken from."""

    key: Key
    allowances: tuple[Allowance, ...]


class Keyring:
    """Finds the key that a caller sent. `first` is the key file's text, an admin's key without limits.

    is_demanded: whether anybody must send a key; once true it stays so, whatever becomes of the keys
    trouble: why the store's keys cannot be told from the revoked, None while they can
    """

    def __init__(self, first: str | None, clock: Callable[[], float], limits: Limits = OWN_LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._nobodys = os.urandom(DIGEST_BYTES)  # what a secret is compared with where no key has that id
        self._first = _first_grants(first)
        self._grants: Mapping[bytes, Grant] = self._first
        self._proved: dict[bytes, Grant] = {}
        self._allowances: dict[tuple[str, str], Allowance] = {}
        self.is_demanded = first is not None
        self.trouble: str | None = None

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._grants)} keys{', troubled' if self.trouble else ''}>"

    @property
    def has_first(self) -> bool:
        return bool(self._first)

    def find(self, offered: bytes) -> Grant | None:
        """The value of an Authorization header -> the key that it holds, if it is one of ours.

        It takes the same time whether the id, the secret or both are wrong. What was proved is found again by its
        hash, which nobody outside can compute: how long that takes says nothing of how near a guess was.
        """
        return self._proved.get(offered) or self._prove(offered)

    def _prove(self, offered: bytes) -> Grant | None:
        is_sane = offered[:BEARER_SIZE].lower() == BEARER and len(offered) <= LONGEST
        key_id, secret = split_key(offered[BEARER_SIZE:LONGEST])
        grant = self._grants.get(key_id)
        digest = grant.key.digest if grant is not None else self._nobodys
        if not compare_digest(digest_of(secret), digest) or grant is None or not is_sane:
            return None
        if len(self._proved) >= MOST_PROVED:  # one key in many spellings of its scheme
            self._proved.clear()
        self._proved[offered] = grant
        return grant

    def of(self, key_id: str) -> Grant | None:
        """The key of that id, as long as it is in force."""
        return next(iter(self._first.values()), None) if key_id == FIRST_ID else self._grants.get(key_id.encode())

    def take(self, keys: Iterable[Key], users: Mapping[str, KeyLimits], ever: bool) -> None:
        """The keys in force, each user's limits, and whether there was ever a key."""
        stored = {key.id.encode(): Grant(key, self._allowances_of(key, users)) for key in keys}
        self._grants = {**stored, **self._first}
        self._proved = {}
        self.is_demanded = self.is_demanded or ever
        self.trouble = None
        held = {allowance for grant in stored.values() for allowance in grant.allowances}
        self._allowances = {name: each for name, each in self._allowances.items() if each in held or each.running}

    def _allowances_of(self, key: Key, users: Mapping[str, KeyLimits]) -> tuple[Allowance, ...]:
        own = self._allowance("key", key.id, key.limits)
        shared = self._allowance("user", key.user, users.get(key.user, NO_LIMITS)) if key.user is not None else None
        return tuple(each for each in (own, shared) if each is not None)

    def _allowance(self, kind: str, holder: str, limits: KeyLimits) -> Allowance | None:
        """The one that there is, so that news of other keys gives nobody a fresh minute."""
        if limits == NO_LIMITS:
            return None
        now = self._clock()
        found = self._allowances.get((kind, holder))
        if found is None:
            found = self._allowances[kind, holder] = self._limits.allowance(f"{kind} {holder}", limits, now)
        elif found.limits != limits:
            found.adopt(limits, now)
        return found


def _first_grants(text: str | None) -> Mapping[bytes, Grant]:
    if text is None:
        return {}
    key_id, secret = split_key(text.encode())
    key = Key(FIRST_ID, digest_of(secret), "the key file's", None, True, None, NO_LIMITS, is_stored=False)
    return {key_id: Grant(key, ())}
