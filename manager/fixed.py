"""What the catalogue and the box say about a model. It changes only with the catalogue or the box."""

from dataclasses import dataclass

from contract.catalogue import ModelEntry
from manager.engines.kind import EngineKind
from manager.specification import DeviceKind, EngineError

Place = tuple[str, ...]
"""Where an engine runs: one device, or several that share it (tensor parallel)."""


def kind_of(place: Place) -> DeviceKind:
    """What kind of device a place is on."""
    return DeviceKind.CPU if place[0] == "cpu" else DeviceKind.CUDA


@dataclass(frozen=True)
class Fixed:
    """One model as it is to be run. Memory is bytes on each device of its place, times are seconds.

    `grant` is what its engine is told that it may have; `declared` says whether the entry names it, and it is not an
    estimate from `weights_size`. Not `here`: its weights have to be fetched first. A timeout of inf is never.
    `lacks` is what this box lacks for it, in words.
    """

    name: str
    entry: ModelEntry
    kind: EngineKind | None
    container: str
    grant: int
    declared: bool
    weights_size: int
    places: tuple[Place, ...]
    idle_timeout: float
    asleep_timeout: float
    drain_bound: float
    created: int
    here: bool = True
    lacks: str | None = None

    @property
    def engine_kind(self) -> EngineKind:
        """The engine of a model that can run here. Raises EngineError for one that cannot."""
        if self.kind is None:
            raise EngineError("model_unavailable", self.lacks or "no engine serves it")
        return self.kind
