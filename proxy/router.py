"""Method and path -> the endpoint that answers. A table, looked up on the path as the server decoded it."""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass

from contract.errors import ApiError
from proxy.gateway.asgi import App, Receive, Scope, Send, respond

REST = "roundhouse.rest"  # in the scope: what followed the prefix of a route that ends in `*`


@dataclass(frozen=True)
class Route:
    """One endpoint: `path` is exact, or ends in `*` and takes any rest, which it finds in scope[REST]."""

    method: str
    path: str
    app: App


class DuplicateRoute(ValueError):
    """Two endpoints claim the same method and path."""


Methods = Mapping[str, App]


class Router:
    """Raises ApiError (404, 405) for what is not there. HEAD is served by GET; OPTIONS names the methods."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, dict[str, App]] = {}
        prefixed: dict[str, dict[str, App]] = {}
        for route in routes:
            prefix = route.path.removesuffix("*")
            methods = (self._exact if prefix == route.path else prefixed).setdefault(prefix, {})
            if route.method in methods:
                raise DuplicateRoute(f"{route.method} {route.path} is declared twice")
            methods[route.method] = route.app
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
        for prefix, methods in self._prefixed:
            if path.startswith(prefix) and len(path) > len(prefix):
                scope[REST] = path[len(prefix) :]
                return methods
        raise ApiError(404, "not_found", f"There is nothing at {path[:200]}.")


def _allowed(methods: Methods) -> str:
    extra = {"HEAD"} if "GET" in methods else set()
    return ", ".join(sorted({*methods, *extra, "OPTIONS"}))
