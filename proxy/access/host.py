"""The name that was asked for: a web page may make its visitor's browser resolve any other name to this machine."""

from functools import lru_cache
from typing import Final

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.gateway.asgi import Headers, Scope


class HostGuard:
    """Raises ApiError: 400 without one Host header, 421 for a name that is not ours."""

    def __init__(self, hosts: frozenset[str]) -> None:
        names = frozenset(host.encode() for host in hosts)
        self._is_ours = lru_cache(maxsize=64)(lambda host: _name_of(host) in names)  # most callers send the same few

    def __call__(self, scope: Scope, headers: Headers) -> None:
        if len(headers) != len(scope["headers"]):
            _refuse_doubles(scope)
        host = headers.get(b"host", b"")
        if not self._is_ours(host):
            raise _misdirected(host)


_ONCE: Final = frozenset({b"host", b"content-type", b"content-length", b"authorization", b"x-api-key", b"origin"})


def _refuse_doubles(scope: Scope) -> None:
    names = [name for name, _ in scope["headers"] if name in _ONCE]
    if len(names) != len(set(names)):
        raise ApiError(400, "invalid_http", "A header that may stand once stands twice.", headers=DO_NOT_RETRY)


def _name_of(host: bytes) -> bytes:
    """`Localhost:8080` -> `localhost`; what is no name and port stays whole, and is no name of ours."""
    name, colon, port = host.lower().rpartition(b":")
    return name if colon and port.isdigit() else host.lower()


def _misdirected(host: bytes) -> ApiError:
    if not host:
        return ApiError(400, "invalid_http", "A request needs a Host header.", headers=DO_NOT_RETRY)
    name = host[:100].decode(errors="replace")
    message = f"'{name}' is no name of this server. If it should be, add it to ROUNDHOUSE_ALLOWED_HOSTS."
    return ApiError(421, "misdirected_request", message, headers=DO_NOT_RETRY)
