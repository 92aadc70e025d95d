"""What one run of an engine is given."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from manager.engines.kind import EngineKind
from manager.specification import DeviceKind, EngineSpec

Prepare = Callable[[], EngineSpec]


@dataclass(frozen=True)
class Run:
    """One run, numbered among those of its model.

    `prepare` verifies the weights and makes the specification: it may block, and ends soon once the run is
    `called_off`.
    """

    model: str
    number: int
    container: str
    kind: EngineKind
    prepare: Prepare
    device: DeviceKind
    adopted: bool = False
    called_off: threading.Event = field(default_factory=threading.Event)

    @property
    def patience(self) -> float:
        """Seconds until it has to be healthy. An engine that served before has nothing to load."""
        return self.kind.hang_timeout if self.adopted else self.kind.start_deadline
