"""What goes on without its caller is charged to the caller's key all the same: a job, from its turn to its end.

It was counted as a request when it was handed in; while it runs it has a place among the key's concurrent requests.
"""

from collections.abc import Callable
from math import ceil

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.access.allowance import Limits
from proxy.access.keyring import Grant, Keyring

NOBODY = ""  # no key was asked for


class Place:
    """Among the concurrent requests of a key, and of its user. `leave` gives it back; a second call does nothing."""

    def __init__(self, limits: Limits, grant: Grant | None) -> None:
        self._limits = limits
        self._grant = grant if grant is not None and grant.allowances else None

    def leave(self) -> None:
        grant, self._grant = self._grant, None
        if grant is not None:
            self._limits.settle(grant.allowances, (0,) * len(grant.allowances), 0)


class Charges:
    """Finds the keys of those who are not there any more. Nothing here waits."""

    def __init__(self, ring: Keyring, limits: Limits, clock: Callable[[], float]) -> None:
        self._ring = ring
        self._limits = limits
        self._clock = clock

    def require(self, key_id: str, model: str) -> Grant | None:
        """The key, if it is in force and may use the model. Raises ApiError (403; 503 while nobody knows)."""
        if key_id == NOBODY:
            return None
        grant = self._ring.of(key_id)
        if self._ring.trouble is not None and (grant is None or grant.key.is_stored):
            message = "The store of keys cannot be read at the moment; the proxy's log says why."
            raise ApiError(503, "keys_unavailable", message, headers={"retry-after": "2"})
        if grant is None:
            message = "The key that asked for this was revoked before its turn came."
            raise ApiError(403, "key_revoked", message, headers=DO_NOT_RETRY)
        if not grant.key.may_use(model):
            message = f"The key that asked for this may not use the model '{model}' any more."
            raise ApiError(403, "model_not_allowed", message, param="model", headers=DO_NOT_RETRY)
        return grant

    def begin(self, key_id: str, model: str) -> Place:
        """Its place. Raises ApiError: as `require`, and 429 where the key has none left."""
        grant = self.require(key_id, model)
        if grant is not None and grant.allowances:
            refusal = self._limits.occupy(grant.allowances, self._clock())
            if refusal is not None:
                message = f"Its key may have {refusal.what}; it waits for one of them to end."
                headers = {"retry-after": str(ceil(refusal.seconds))}
                raise ApiError(429, "rate_limit_exceeded", message, headers=headers)
        return Place(self._limits, grant)
