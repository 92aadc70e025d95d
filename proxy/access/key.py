"""The key, where one is set: in the Authorization header and nowhere else."""

from collections.abc import Awaitable
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from contract.errors import ApiError
from proxy.access.paths import is_guarded
from proxy.gateway.asgi import App, Receive, Scope, Send, headers_of

SHORTEST = 16


class KeyFileError(ValueError):
    """The key file cannot be used; the text says what to do."""


class KeyGuard:
    """Raises ApiError (401) for a guarded path without the key. `key` None: none is asked for."""

    def __init__(self, app: App, key: str | None) -> None:
        self._app = app
        self._digest = sha256(b"Bearer " + key.encode()).digest() if key is not None else None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._digest is not None and is_guarded(scope["path"]):
            self._require(headers_of(scope).get(b"authorization", b""), self._digest)
        return self._app(scope, receive, send)

    def _require(self, offered: bytes, digest: bytes) -> None:
        # Hashes of equal length: the comparison's time tells nothing of the key.
        if not compare_digest(sha256(offered).digest(), digest):
            message = "Send the key of this server as 'Authorization: Bearer <key>'."
            headers = {"www-authenticate": "Bearer"}
            raise ApiError(401, "invalid_api_key", message, headers=headers)


def read_key(path: Path) -> str:
    """The one key in a file. Raises KeyFileError."""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"ROUNDHOUSE_KEY_FILE={path} cannot be read: {error}") from error
    if len(key) < SHORTEST or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyFileError(
            f"ROUNDHOUSE_KEY_FILE={path}: write one key of at least {SHORTEST} characters without spaces, "
            'such as python3 -c "import secrets; print(secrets.token_urlsafe(32))" makes'
        )
    return key
