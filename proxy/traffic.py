"""What is in flight, and whether anything new may begin."""

import asyncio
from typing import Final

from contract.errors import ApiError
from proxy.access.paths import is_guarded
from proxy.gateway.asgi import Headers, Scope

WORK: Final = "/v1/"
EVENTS: Final = "/v1/events"  # its stream has no end of its own
METRICS: Final = "/metrics"  # how a drain goes may be watched to its end


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

    def enter(self, path: str) -> bool:
        """A request begins -> whether it counts, and must `leave`: event streams and the page end with all else."""
        if not path.startswith(WORK) or path == EVENTS:
            return False
        self._in_flight += 1
        if self._in_flight == 1:
            self._idle.clear()
        return True

    def leave(self) -> None:
        """A request that counts has ended."""
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


class TrafficGuard:
    """Raises ApiError (503) for a new request while draining."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def __call__(self, scope: Scope, headers: Headers) -> None:
        if self._traffic.draining and is_guarded(scope["path"]) and scope["path"] != METRICS:
            advice = {"retry-after": "5", "connection": "close"}
            raise ApiError(503, "draining", "The proxy is stopping; ask again in a moment.", headers=advice)
