"""Whether models leave traces of what they go through: where the settings name a collector.

The libraries for it are large: they are loaded where they are wanted.
"""

import importlib

from manager.supervision.passages import Listener


class Tracing:
    """No traces."""

    def listeners(self) -> tuple[Listener, ...]:
        """Who is to be told what models go through."""
        return ()

    async def close(self) -> None:
        """What has ended is sent, if that is soon done."""


def make_tracing(endpoint: str | None, service: str) -> Tracing:
    """`endpoint` None: off."""
    if endpoint is None:
        return Tracing()
    made: Tracing = importlib.import_module("manager.otlp").OtlpTracing(endpoint, service)
    return made
