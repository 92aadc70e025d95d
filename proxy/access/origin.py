"""The page that asks: a browser tells it, and only our own page may use the interface."""

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.access.paths import is_guarded
from proxy.gateway.asgi import Headers, Scope


def guard_origin(scope: Scope, headers: Headers) -> None:
    """Raises ApiError (403) for a guarded path asked by a page of another host or port."""
    origin = headers.get(b"origin")
    if origin is not None and is_guarded(scope["path"]):
        _require_same(origin, headers[b"host"])


def _require_same(origin: bytes, host: bytes) -> None:
    if origin.lower() not in {b"http://" + host.lower(), b"https://" + host.lower()}:
        message = "A page of another origin may not use this interface."
        raise ApiError(403, "forbidden_origin", message, headers=DO_NOT_RETRY)
