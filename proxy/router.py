"""Method and path -> the endpoint that answers. A table, looked up on the path as the server decoded it."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from contract.errors import ApiError
from proxy.gateway.asgi import App, Receive, Scope, Send, respond
from proxy.lane import Lane

REST: Final = "roundhouse.rest"  # in the scope: what followed the prefix of a route that ends in `*`

ErrorShape = Callable[[ApiError], ApiError]


@dataclass(frozen=True)
class Route:
    """One endpoint: `path` is exact, or ends in `*` and takes a rest, which it finds in scope[REST].

    rest: of a path that ends in `*`, the rests that are there, as a regular expression; "": any
    shape: how the callers of this path, and of those below it, expect an error, where that is not OpenAI's way
    lane: of a path whose usual requests need no task
    """

    method: str
    path: str
    app: App
    rest: str = ""
    shape: ErrorShape | None = None
    lane: Lane | None = None


class DuplicateRoute(ValueError):
    """Two endpoints claim the same method and path."""


Methods = Mapping[str, App]


class Below:
    """The routes of one path that ends in `*`, each for the rests that it takes."""

    def __init__(self) -> None:
        self._routes: dict[str, tuple[re.Pattern[str] | None, App]] = {}

    def __contains__(self, method: str) -> bool:
        return method in self._routes

    def add(self, route: Route) -> None:
        self._routes[route.method] = (re.compile(route.rest, re.ASCII) if route.rest else None, route.app)

    def methods(self, rest: str) -> Methods:
        """Those that this rest takes; none: there is nothing."""
        return {
            method: app
            for method, (rests, app) in self._routes.items()
            if rests is None or rests.fullmatch(rest) is not None
        }


class Router:
    """Raises ApiError (404, 405) for what is not there. HEAD is served by GET; OPTIONS names the methods."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, dict[str, App]] = {}
        prefixed: dict[str, Below] = {}
        for route in routes:
            prefix = route.path.removesuffix("*")
            is_exact = prefix == route.path
            if route.method in (self._exact if is_exact else prefixed).get(prefix, ()):
                raise DuplicateRoute(f"{route.method} {route.path} is declared twice")
            if is_exact:
                self._exact.setdefault(prefix, {})[route.method] = route.app
            else:
                prefixed.setdefault(prefix, Below()).add(route)
        self._prefixed = sorted(prefixed.items(), key=lambda item: len(item[0]), reverse=True)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        methods = self._exact.get(scope["path"]) or self._find(scope)
        method = scope["method"]
        app = methods.get("GET" if method == "HEAD" else method)
        if app is not None:
            return app(scope, receive, send)
        if method == "OPTIONS":
            return respond(send, 200, b"application/json", b"", [(b"allow", _allowed(methods).encode())])
        message = f"{scope['path'][:200]} does not take {method}, but {_allowed(methods)}."
        raise ApiError(405, "method_not_allowed", message, headers={"allow": _allowed(methods)})

    def _find(self, scope: Scope) -> Methods:
        path: str = scope["path"]
        for prefix, below in self._prefixed:
            if path.startswith(prefix) and len(path) > len(prefix):
                rest = path[len(prefix) :]
                if methods := below.methods(rest):
                    scope[REST] = rest
                    return methods
        raise ApiError(404, "not_found", f"There is nothing at {path[:200]}.")


class Shapes:
    """How errors are told at each path: as OpenAI's callers expect them, where no route says otherwise."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._shapes = {route.path: route.shape for route in routes if route.shape is not None}

    def of(self, path: str, error: ApiError) -> ApiError:
        """The error as callers of this path know errors."""
        for known, shape in self._shapes.items():
            if path == known or path.startswith(f"{known}/"):
                return shape(error)
        return error


def _allowed(methods: Methods) -> str:
    extra = {"HEAD"} if "GET" in methods else set()
    return ", ".join(sorted({*methods, *extra, "OPTIONS"}))
