"""What is kept of a request when it is over: its line in the log, and its place in the counts."""

from collections.abc import Iterable

from proxy.access_log import AccessLog
from proxy.gateway.asgi import MODEL, Scope
from proxy.metrics.meter import OTHER, Meter
from proxy.metrics.paths import PathLabels


class Records:
    """Each request is recorded once. `paths` are the router's."""

    def __init__(self, log: AccessLog, meter: Meter, paths: Iterable[str]) -> None:
        self._log = log
        self._meter = meter
        self._labels = PathLabels(paths)

    def flush(self) -> None:
        """Write down what has gathered."""
        self._log.flush()

    def record(self, scope: Scope, status: int, seconds: float, code: str | None) -> None:
        """A request is over. `status` is how it ended, also where its answer had begun with another."""
        self._log.record(scope, status, seconds, code)
        self._meter.asked(self._labels.of(scope["path"]), scope.get(MODEL, ""), status)

    def refuse(self, request_id: bytes, status: int, code: str | None) -> None:
        """A connection ends whose bytes were no request."""
        self._log.refuse(request_id, status, code)
        self._meter.asked(OTHER, "", status)
