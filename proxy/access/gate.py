"""What every request passes before its endpoint: guards, one after the other."""

from collections.abc import Awaitable, Callable
from typing import Final

from proxy.gateway.asgi import HEADERS, App, Headers, Receive, Scope, Send

Guard = Callable[[Scope, Headers], None]

# In the scope, of a request that the fast path has seen before:
ADMITTED: Final = "roundhouse.admitted"  # the ticket with which it was admitted
JUDGED: Final = "roundhouse.judged"  # why it is refused; None: the guards have let it pass


class Gate:
    """The application behind its guards. A guard decides on the path and the headers, and raises ApiError, or not."""

    def __init__(self, guards: tuple[Guard, ...], app: App) -> None:
        self._guards = guards
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if JUDGED not in scope:
            self.ask(scope)
        elif scope[JUDGED] is not None:
            raise scope[JUDGED]
        return self._app(scope, receive, send)

    def ask(self, scope: Scope) -> None:
        """Each guard in its turn. Raises ApiError."""
        headers: Headers = scope[HEADERS]
        for guard in self._guards:
            guard(scope, headers)
