"""What is in flight, and whether anything new may begin."""

import asyncio
from collections.abc import Awaitable

from contract.errors import ApiError
from proxy.access.paths import is_guarded
from proxy.gateway.asgi import App, Receive, Scope, Send

WORK = "/v1/"
EVENTS = "/v1/events"  # its stream has no end of its own
METRICS = "/metrics"  # how a drain goes may be watched to its end


class Traffic:
    """`draining` once the proxy stops: what is in flight finishes, what is new is refused."""

    def __init__(self) -> None:
        self.draining = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __repr__(self) -> str:
        return f"<Traffic {self._in_flight} in flight{', draining' if self.draining else ''}>"

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def enter(self) -> None:
        self._in_flight += 1
        if self._in_flight == 1:
            self._idle.clear()

    def leave(self) -> None:
        self._in_flight -= 1
        if self._in_flight == 0:
            self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Let what is in flight finish, for at most so long."""
        self.draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return


class TrafficGate:
    """Counts requests in and out. Raises ApiError (503) for a new one while draining."""

    def __init__(self, app: App, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = scope["path"]
        if self._traffic.draining and is_guarded(path) and path != METRICS:
            headers = {"retry-after": "5", "connection": "close"}
            raise ApiError(503, "draining", "The proxy is stopping; ask again in a moment.", headers=headers)
        if path.startswith(WORK) and path != EVENTS:
            return self._counted(scope, receive, send)
        return self._app(scope, receive, send)  # event streams and the page end with the connection

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._traffic.enter()
        try:
            await self._app(scope, receive, send)
        finally:
            self._traffic.leave()
