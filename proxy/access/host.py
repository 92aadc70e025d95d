"""The name that was asked for: a web page may make its visitor's browser resolve any other name to this machine."""

from collections.abc import Awaitable

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.gateway.asgi import App, Receive, Scope, Send, headers_of


class HostGuard:
    """Raises ApiError: 400 without one Host header, 421 for a name that is not ours."""

    def __init__(self, app: App, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.encode() for host in hosts)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        headers = headers_of(scope)
        host = headers.get(b"host", b"")
        if len(headers) != len(scope["headers"]):
            _refuse_doubles(scope)
        if _name_of(host) not in self._hosts:
            raise _misdirected(host)
        return self._app(scope, receive, send)


_ONCE = frozenset({b"host", b"content-type", b"content-length", b"authorization", b"origin"})


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
    name = host[:100].decode("ascii", "replace")
    message = f"'{name}' is no name of this server. If it should be, add it to ROUNDHOUSE_ALLOWED_HOSTS."
    return ApiError(421, "misdirected_request", message, headers=DO_NOT_RETRY)
