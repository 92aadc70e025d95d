"""What every request passes, from the outermost on: the renderer of errors, the guards, the router."""

from collections.abc import Sequence

from proxy.access.gate import Gate, Guard
from proxy.access_log import AccessLog
from proxy.errors import ErrorRenderer
from proxy.fast_path import FastPath
from proxy.flight import Ground, unwind
from proxy.gateway.limits import ForwardLimits
from proxy.gateway.upstream import Pool
from proxy.metrics.paths import PathLabels
from proxy.records import Records
from proxy.router import Route, Router, Shapes
from proxy.services import Services
from proxy.tracing import Tracing


class Front:
    """The two ways through: `http` is an ASGI application, `fast_path` takes what needs no task."""

    def __init__(self, services: Services, routes: Sequence[Route], log: AccessLog, tracing: Tracing) -> None:
        self._services = services
        self._routes = routes
        self._tracing = tracing
        paths = [route.path for route in routes]
        self.records = Records(log, services.meter, paths)
        self.shapes = Shapes(routes)
        self._app = tracing.traced(Router(routes), PathLabels(paths))

    def open(self, guards: tuple[Guard, ...], pool: Pool, limits: ForwardLimits) -> None:
        """From now on requests pass these guards."""
        traffic, gate = self._services.traffic, Gate(guards, self._app)
        self.http = ErrorRenderer(gate, self.records, traffic, self.shapes)
        unwound = ErrorRenderer(unwind, self.records, traffic, self.shapes)
        ground = Ground(pool, self._services.meter, limits, self.http, unwound)
        routes = () if self._tracing.is_on else self._routes  # a span is open as long as a task runs
        self.fast_path = FastPath(ground, gate, self._services, routes)
