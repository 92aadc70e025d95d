"""The token between proxy and manager: made at the first start, asked for on every path but `/health`."""

import hmac
import os
import secrets
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from contract.errors import ApiError, Origin
from manager.errors import send_error

PUBLIC_PATHS = frozenset({"/health"})
OWNER_AND_GROUP = 0o640


def read_or_make_token(file: Path) -> str:
    """The token in `file`; a new one is written where there is none, readable by owner and group."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_AND_GROUP)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(descriptor, "w") as handle:
        token = secrets.token_urlsafe(32)
        handle.write(token)
    return token


class TokenRequired:
    """Refuses whatever does not bring the token. Decides on the path that the server parsed, nothing else."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PUBLIC_PATHS and not self._brings_token(scope):
            error = ApiError(401, "invalid_token", "the manager answers its proxy only", origin=Origin.MANAGER)
            await send_error(error, send)
            return
        await self.app(scope, receive, send)

    def _brings_token(self, scope: Scope) -> bool:
        brought = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(brought, self.expected)
