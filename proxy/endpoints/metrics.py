"""`GET /metrics` for Prometheus. It names models and devices, so it needs the key wherever one is set."""

import asyncio

from pydantic import ValidationError

from contract.states import DeviceList
from proxy.gateway.asgi import Receive, Scope, Send, respond
from proxy.gateway.manager import Manager, ManagerAbsent
from proxy.metrics.exposition import CONTENT_TYPE
from proxy.metrics.report import Report
from proxy.router import Route
from proxy.services import Services

MANAGER_SECONDS = 2.0  # scrapers give up after 10 by default
DEVICES_LIMIT = 2**20


class Metrics:
    """The manager is asked for its devices each time; one that does not answer is told as `roundhouse_manager_up 0`."""

    def __init__(self, report: Report, manager: Manager) -> None:
        self._report = report
        self._manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self._report.render(await self._devices())
        await respond(send, 200, CONTENT_TYPE, body, [(b"cache-control", b"no-store")])

    async def _devices(self) -> DeviceList | None:
        try:
            async with asyncio.timeout(MANAGER_SECONDS), self._manager.request(b"GET", b"/devices") as answer:
                return DeviceList.model_validate_json(await answer.read_all(MANAGER_SECONDS, DEVICES_LIMIT))
        except (ManagerAbsent, TimeoutError, ValidationError):
            return None


def routes(services: Services) -> tuple[Route, ...]:
    return (Route("GET", "/metrics", Metrics(services.report, services.manager)),)
