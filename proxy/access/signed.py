"""Addresses that open without a key, for a while: whoever has one may read that one artifact, and nothing else."""

import hmac
import os
import re
from hashlib import sha256

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.gateway.asgi import Scope

SIGNED = "roundhouse.signed"  # in the scope: the address is the permission
FOLDER = "/v1/artifacts/"
SECRET_BYTES = 32

_PATH = re.compile(rf"{FOLDER}([A-Za-z0-9_]{{1,64}})/(content|thumbnail)")
_QUERY = re.compile(rb"expires=([0-9]{1,12})&signature=([0-9a-f]{64})")


class Signatures:
    """Makes such addresses and knows them again. The secret is the process's own until it is told a lasting one."""

    def __init__(self) -> None:
        self._secret = os.urandom(SECRET_BYTES)

    def adopt(self, secret: bytes) -> None:
        """A secret that outlives the process."""
        self._secret = secret

    def query(self, artifact_id: str, expires: int) -> str:
        """The query of an address of this artifact, good until `expires`, seconds since 1970."""
        return f"expires={expires}&signature={self._sign(artifact_id, expires)}"

    def opens(self, scope: Scope, now: float) -> bool:
        """Whether a request's address is one of these. Raises ApiError (403) for one whose time is over."""
        query = _QUERY.fullmatch(scope["query_string"])
        path = _PATH.fullmatch(scope["path"])
        if query is None or path is None or scope["method"] not in {"GET", "HEAD"}:
            return False
        expires = int(query[1])
        if not hmac.compare_digest(self._sign(path[1], expires).encode(), query[2]):
            return False
        if now >= expires:
            message = "This address was good for a while only, and no longer is; ask for the artifact with your key."
            raise ApiError(403, "address_expired", message, headers=DO_NOT_RETRY)
        return True

    def _sign(self, artifact_id: str, expires: int) -> str:
        return hmac.new(self._secret, f"{artifact_id}\n{expires}".encode(), sha256).hexdigest()
