"""What an engine's file declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from contract.catalogue import ModelEntry, ModelType
from manager.specification import DeviceKind, EngineSpec, Inside, Placement


@dataclass(frozen=True)
class Metrics:
    """Names of Prometheus metrics; `progress` are counters that grow while work is done."""

    running: str
    waiting: str
    progress: tuple[str, ...]


@dataclass(frozen=True)
class Probe:
    """The smallest request that proves an engine serves."""

    path: str
    body: Mapping[str, object]


@dataclass(frozen=True)
class Call:
    """One HTTP call of a sleep or wake sequence."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SleepLevel:
    """How an engine is put to sleep and woken again, call by call."""

    level: int
    sleep: tuple[Call, ...]
    wake: tuple[Call, ...]


@dataclass(frozen=True)
class Weights:
    """Where an entry's weights are, as the engine sees them, and their size in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class Order:
    """All that a specification is made from."""

    name: str
    entry: ModelEntry
    container: str
    weights: Weights
    placement: Placement
    inside: Inside

    def specification(
        self,
        kind: "EngineKind",
        *,
        image: str,
        module: str,
        arguments: tuple[str, ...],
        env: Mapping[str, str],
        memory_limit: int,
    ) -> EngineSpec:
        """What every engine's specification says in the same way, and what its file decides. An entry's `env` wins."""
        return EngineSpec(
            model=self.name,
            engine=kind.name,
            container=self.container,
            port=self.entry.port or kind.default_port,
            fixed_port=self.entry.port is not None,
            image=image,
            module=module,
            arguments=arguments,
            env={**env, **self.entry.env},
            memory_limit=memory_limit,
            placement=self.placement,
        )


class EngineKind(Protocol):
    """One engine. Times are seconds."""

    @property
    def name(self) -> str: ...
    @property
    def default_for(self) -> frozenset[ModelType]: ...
    @property
    def default_port(self) -> int: ...
    @property
    def start_deadline(self) -> float: ...
    @property
    def hang_timeout(self) -> float: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def health_path(self) -> str: ...
    @property
    def phases(self) -> tuple[tuple[str, str], ...]:
        """Words of the engine's log -> the phase of the start that they mark, in order."""
        ...

    def sleep_levels(self, device: DeviceKind) -> tuple[SleepLevel, ...]: ...
    def probe(self, name: str) -> Probe: ...
    def problem_with(self, entry: ModelEntry) -> str | None:
        """What is wrong with an entry's `args`, `env` and `defaults`, in words with the fix, or None."""
        ...

    def specify(self, order: Order) -> EngineSpec: ...
