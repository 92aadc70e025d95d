"""What an engine's file declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from contract.catalogue import ModelEntry, ModelType
from manager.specification import DeviceKind, EngineSpec, Inside, Placement


@dataclass(frozen=True)
class Metrics:
    """Names of Prometheus metrics; `progress` are those whose values change while work is done, and only then."""

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
    """One HTTP call of a sleep or wake sequence. `body` is sent as JSON, or nothing where it is None."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None


@dataclass(frozen=True)
class SleepLevel:
    """How an engine is put to sleep and woken again, call by call.

    `keeps_weights` says that they stay in host memory meanwhile; if not, waking reads them from disk again.
    """

    level: int
    sleep: tuple[Call, ...]
    wake: tuple[Call, ...]
    keeps_weights: bool


@dataclass(frozen=True)
class Weights:
    """Where an entry's weights are, as the engine sees them, and their size in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class Order:
    """All that a specification is made from. `traces_to` is where the engine may send spans, by OTLP over HTTP."""

    name: str
    entry: ModelEntry
    container: str
    weights: Weights
    placement: Placement
    inside: Inside
    traces_to: str | None = None

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
    def needs_weights(self) -> bool:
        """Whether it has to be given weights: an entry without a `source` is then a container that others made."""
        ...

    @property
    def default_port(self) -> int: ...
    @property
    def start_deadline(self) -> float: ...
    @property
    def hang_timeout(self) -> float:
        """How long it may have work and get nowhere, or not answer at all, until it counts as hung."""
        ...

    @property
    def fills_its_share(self) -> bool:
        """Whether it takes all the memory that it is granted; if not, it uses what its model needs."""
        ...

    @property
    def metrics(self) -> Metrics: ...
    @property
    def health_path(self) -> str: ...
    @property
    def phases(self) -> tuple[tuple[str, str], ...]:
        """Words of the engine's log -> the phase of the start that they mark, in order."""
        ...

    @property
    def faults(self) -> tuple[tuple[str, str], ...]:
        """Words of the engine's log -> what they mean for who keeps models.json, and what helps, in order."""
        ...

    def sleep_levels(self, device: DeviceKind) -> tuple[SleepLevel, ...]:
        """The levels that it has on a device, the lightest first; none where it can only be stopped."""
        ...

    def probe(self, name: str) -> Probe: ...
    def problem_with(self, entry: ModelEntry) -> str | None:
        """What is wrong with an entry's `args`, `env` and `defaults`, in words with the fix, or None."""
        ...

    def specify(self, order: Order) -> EngineSpec: ...
