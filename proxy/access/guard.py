"""The key: in the Authorization header, or as `x-api-key`, and nowhere else, on every path that is not public."""

from collections.abc import Callable
from math import ceil
from time import time
from typing import Final

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.access.keyring import BEARER, BEARER_SIZE, Grant, Keyring
from proxy.access.paths import is_for_admins, is_guarded
from proxy.access.rate_headers import rate_lines
from proxy.access.signed import SIGNED, Signatures
from proxy.access.sources import BadKeys, source_of
from proxy.gateway.asgi import TELLING, Headers, Scope

API_KEY: Final = b"x-api-key"  # where Anthropic's clients send it
GRANT: Final = "roundhouse.grant"  # in the scope: the key that was sent, where one is asked for


class KeyGuard:
    """Raises ApiError for a guarded path: 401 without a key of the ring, 403 without one for admins, 429, 503.

    A source of many bad keys is told to wait. Keys of our own making, which cannot be guessed, still open from there:
    behind one address there may be many callers. The key file's, which a person may have made up, does not.
    An address with a signature opens by itself: no key is looked at.
    """

    def __init__(
        self,
        ring: Keyring,
        signatures: Signatures,
        clock: Callable[[], float],
        bad_keys: BadKeys | None = None,
    ) -> None:
        self._ring = ring
        self._signatures = signatures
        self._clock = clock
        self._bad = bad_keys or BadKeys(clock)

    def __call__(self, scope: Scope, headers: Headers) -> None:
        path = scope["path"]
        if not self._ring.is_demanded or not is_guarded(path):
            return
        if scope["query_string"] and self._signatures.opens(scope, time()):
            scope[SIGNED] = True
            return
        grant = scope[GRANT] = self._identify(scope, headers)
        if is_for_admins(path) and not grant.key.admin:
            raise _for_admins()
        if grant.allowances:  # every answer tells what is left of them, the refusals, too
            scope[TELLING] = lambda: rate_lines(grant.allowances, self._clock())

    def _identify(self, scope: Scope, headers: Headers) -> Grant:
        offered = headers.get(b"authorization")
        if API_KEY in headers:
            offered = _one_key(offered, headers[API_KEY])
        if offered is None:
            raise _unknown("Send")
        grant = self._ring.find(offered)
        if grant is not None and self._ring.trouble is None and not self._bad.has_any:
            return grant
        return self._doubt(grant, scope)

    def _doubt(self, grant: Grant | None, scope: Scope) -> Grant:
        """No key, or a time at which not every key opens."""
        guessable = grant is None or not grant.key.is_stored
        wait = self._bad.wait(source_of(scope["client"])) if guessable else 0.0
        if wait:
            raise _too_many(wait)
        if self._ring.trouble is not None and (grant is None or grant.key.is_stored):
            raise _store_unreadable()
        if grant is None:
            self._bad.count(source_of(scope["client"]))
            raise _unknown("That is no key of this server, or it was revoked. Send")
        return grant


def _one_key(offered: bytes | None, key: bytes) -> bytes | None:
    """The two headers in which a key may stand -> the one key, in the form of the first.

    Raises ApiError (400) where they differ: which of the two another server would believe is not to be known.
    """
    if not key:
        return offered
    if offered is not None and (offered[:BEARER_SIZE].lower(), offered[BEARER_SIZE:]) != (BEARER, key):
        message = "'Authorization' and 'x-api-key' do not hold the same key; send one of them."
        raise ApiError(400, "conflicting_keys", message, headers=DO_NOT_RETRY)
    return BEARER + key


def _unknown(what: str) -> ApiError:
    message = f"{what} a key of this server as 'Authorization: Bearer <key>' or as 'x-api-key: <key>'."
    return ApiError(401, "invalid_api_key", message, headers={"www-authenticate": "Bearer"})


def _for_admins() -> ApiError:
    message = "This key may not use the server's control; ask with an admin's key."
    return ApiError(403, "admin_key_required", message, headers=DO_NOT_RETRY)


def _too_many(wait: float) -> ApiError:
    message = "Too many bad keys came from this address; wait before the next."
    return ApiError(429, "rate_limit_exceeded", message, headers={"retry-after": str(ceil(wait))})


def _store_unreadable() -> ApiError:
    message = "The store of keys cannot be read at the moment; the proxy's log says why. Try again."
    return ApiError(503, "keys_unavailable", message, headers={"retry-after": "2"})
