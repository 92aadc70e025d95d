"""Whether requests leave traces. Where the settings name no collector, nothing of it is on a request's way.

The libraries for it are as large as all of the proxy: they are loaded where they are wanted.
"""

import importlib

from proxy.gateway.asgi import App
from proxy.metrics.meter import Meter
from proxy.metrics.paths import PathLabels


class Tracing:
    """No traces: nothing is other than it would be without this file."""

    is_on = False

    def meter(self) -> Meter:
        """What requests are counted with."""
        return Meter()

    def traced(self, app: App, labels: PathLabels) -> App:
        """The same application, with a span for each request for a model's work."""
        return app

    def current_traceparent(self) -> bytes:
        """The `traceparent` of the request that something is asked for; nothing where there is none, or no more."""
        return b""

    async def close(self) -> None:
        """What has ended is sent, if that is soon done."""


def make_tracing(endpoint: str | None, service: str) -> Tracing:
    """`endpoint` None: off."""
    if endpoint is None:
        return Tracing()
    made: Tracing = importlib.import_module("proxy.otlp").OtlpTracing(endpoint, service)
    return made
