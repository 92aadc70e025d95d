"""The web page: files of the static folder, and a policy under which nothing but them runs."""

import asyncio
import os
from pathlib import Path

from contract.errors import ApiError
from proxy.gateway.asgi import Receive, Scope, Send, headers_of, respond
from proxy.openapi.operation import BYTES, Operation, Parameter
from proxy.router import REST, Route
from proxy.services import Services

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
LONGEST_NAME = 255
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),
)
TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".mjs": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".json": b"application/json",
    ".map": b"application/json",
    ".webmanifest": b"application/manifest+json",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
    ".webp": b"image/webp",
    ".ico": b"image/x-icon",
    ".woff": b"font/woff",
    ".woff2": b"font/woff2",
    ".ttf": b"font/ttf",
    ".txt": b"text/plain; charset=utf-8",
}

TAG = Parameter("if-none-match", "header", "the `etag` of the file as it was", {"type": "string"})
OPERATIONS = (
    Operation("GET", "/", "The web page.", {200: {"text/html": BYTES}, 304: {}}, frozenset({"404"}), parameters=(TAG,)),
    Operation(
        "GET",
        "/static/{file}",
        "A file of the page's, which may stand in folders.",
        {200: dict.fromkeys(sorted({kind.decode().partition(";")[0] for kind in TYPES.values()}), BYTES), 304: {}},
        parameters=(Parameter("file", "path", "its path", {"type": "string", "minLength": 1}), TAG),
        route="/static/*",
    ),
)


class StaticFiles:
    """Files below `folder`, of the types above. Raises ApiError (404) for all else, wherever it points."""

    def __init__(self, folder: Path, index: str | None = None) -> None:
        self._folder = folder.resolve()
        self._index = index

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self._find(self._index or scope[REST])
        tag = _tag(path.stat())
        headers = [*HEADERS, (b"etag", tag)]
        if headers_of(scope).get(b"if-none-match") == tag:
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        body = await asyncio.to_thread(path.read_bytes)
        await respond(send, 200, TYPES[path.suffix], body, headers)

    def _find(self, name: str) -> Path:
        """Only what resolves to a file below the folder: no dots, no links out, no hidden names."""
        parts = name.split("/")
        if (
            len(name) <= LONGEST_NAME
            and name.isprintable()
            and "\\" not in name
            and not any(part.startswith(".") or not part for part in parts)
        ):
            path = Path(os.path.realpath(self._folder.joinpath(*parts)))
            if path.is_relative_to(self._folder) and path.suffix in TYPES and path.is_file():
                return path
        raise ApiError(404, "not_found", f"There is no file {name[:200]}.")


def _tag(status: os.stat_result) -> bytes:
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'.encode()


def routes(services: Services) -> tuple[Route, ...]:
    return (
        Route("GET", "/", StaticFiles(services.static_dir, "index.html")),
        Route("GET", "/static/*", StaticFiles(services.static_dir)),
    )
