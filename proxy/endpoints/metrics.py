"""`GET /metrics` for Prometheus. It names models and devices, so it needs the key wherever one is set."""

import asyncio

from contract.errors import ApiError
from contract.prometheus import CONTENT_TYPE
from proxy.gateway.asgi import Receive, Scope, Send, respond
from proxy.gateway.manager import Manager, ManagerAbsent
from proxy.metrics.report import Report
from proxy.openapi.operation import TEXT, Operation
from proxy.router import Route
from proxy.services import Services
from proxy.sharing.asking import METRICS
from proxy.sharing.share import Share

MANAGER_SECONDS = 2.0  # scrapers give up after 10 by default
MANAGER_LIMIT = 8 * 2**20

OPERATIONS = (Operation("GET", "/metrics", "Counters for Prometheus.", {200: {"text/plain": TEXT}}),)


class Metrics:
    """The manager is asked for its figures each time; one that does not answer is told as `roundhouse_manager_up 0`."""

    def __init__(self, report: Report, manager: Manager, share: Share | None) -> None:
        self._report = report
        self._manager = manager
        self._share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        managers = await self._managers()
        body = self._report.render(managers) if self._share is None else await self._together(self._share, managers)
        await respond(send, 200, CONTENT_TYPE, body, [(b"cache-control", b"no-store")])

    async def _together(self, share: Share, managers: bytes | None) -> bytes:
        """What all workers counted. Raises ApiError (503): half of it would look as if counts had shrunk."""
        own = self._report.render(None if managers is None else b"")
        try:
            return await share.siblings.ask(METRICS, own) + (managers or b"")
        except TimeoutError as error:
            raise ApiError(503, "metrics_unavailable", "The other workers do not answer; ask again.") from error

    async def _managers(self) -> bytes | None:
        """What the manager tells of itself, in the same form."""
        try:
            async with asyncio.timeout(MANAGER_SECONDS), self._manager.request(b"GET", b"/metrics") as answer:
                text = await answer.read_all(MANAGER_SECONDS, MANAGER_LIMIT)
                return text if answer.status == 200 and text.endswith(b"\n") else None
        except (ManagerAbsent, TimeoutError):
            return None


def routes(services: Services) -> tuple[Route, ...]:
    return (Route("GET", "/metrics", Metrics(services.report, services.manager, services.share)),)
