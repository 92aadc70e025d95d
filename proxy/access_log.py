"""One line for each request: method, path, status, time, id, model, error. Never a prompt, a query or a key."""

import asyncio
from typing import TextIO

from proxy.gateway.asgi import MODEL, REQUEST_ID, Scope

FLUSH_SECONDS = 0.2
PATH_LIMIT = 200


class AccessLog:
    """Lines gather for a moment and are written together: a system call each would cost more than the rest."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lines: list[str] = []

    def record(self, scope: Scope, status: int, seconds: float, code: str | None) -> None:
        """Count a finished request. `code` is its error's, None for a good one."""
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        path = scope["raw_path"][:PATH_LIMIT].decode("latin-1")
        request_id = scope[REQUEST_ID].decode()
        model = scope.get(MODEL, "-")
        self._lines.append(
            f"{scope['method']} {path} {status} {seconds * 1000:.1f}ms {request_id} {model} {code or '-'}\n"
        )

    def flush(self) -> None:
        """Write what has gathered."""
        lines, self._lines = self._lines, []
        self._out.write("".join(lines))
        self._out.flush()
