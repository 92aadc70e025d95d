"""The mock engine: answers without a model, for development and tests. Its server is `images/mock/`.

It runs in the environment of manager and proxy, needs no weights, and does wrong what its arguments tell it to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contract.catalogue import ModelEntry, ModelType
from manager.engines.arguments import ArgumentRule, as_flags, problem_with_values
from manager.engines.kind import Call, Metrics, Order, Probe, SleepLevel
from manager.specification import ROUNDHOUSE_ENVIRONMENT, DeviceKind, EngineSpec

IMAGE = "roundhouse:0.1.0"
GIB = 2**30
SERVED = frozenset({ModelType.TEXT, ModelType.IMAGE, ModelType.EDIT})

SECONDS = ArgumentRule(float, 0, 3600)
COUNT = ArgumentRule(int, 0, 1_000_000)
YES_OR_NO = ArgumentRule(bool)

ARGUMENTS: Mapping[str, ArgumentRule] = {
    "tokens": COUNT,
    "tokens-per-second": ArgumentRule(float, 0, 1_000_000),
    "step-seconds": SECONDS,
    "slots": ArgumentRule(int, 1, 100_000),
    "knobs-in-requests": YES_OR_NO,
    "load-seconds": SECONDS,
    "sleep-seconds": SECONDS,
    "wake-seconds": SECONDS,
    "resident-mib": ArgumentRule(int, 0, 2**20),
    "die-at-load": YES_OR_NO,
    "die-after-seconds": SECONDS,
    "die-after-tokens": COUNT,
    "hang-after-tokens": COUNT,
    "hang-metrics-after-seconds": SECONDS,
    "fail-sleep": YES_OR_NO,
    "fail-wake": YES_OR_NO,
    "garbage": YES_OR_NO,
    "ignore-sigterm": YES_OR_NO,
}

METRICS = Metrics(
    running="roundhouse_requests_running",
    waiting="roundhouse_requests_waiting",
    progress=("roundhouse_tokens_total", "roundhouse_steps_total"),
)


@dataclass(frozen=True)
class Mock:
    """An engine without a model. An entry gets it only by its name."""

    name: str = "mock"
    default_for: frozenset[ModelType] = frozenset()
    needs_weights: bool = False
    fills_its_share: bool = False
    default_port: int = 8000
    start_deadline: float = 60
    hang_timeout: float = 10
    health_path: str = "/health"
    metrics: Metrics = METRICS
    phases: tuple[tuple[str, str], ...] = tuple(
        (line, line) for line in ("reading the model's configuration", "loading weights", "warming up", "serving")
    )

    faults: tuple[tuple[str, str], ...] = ()

    def sleep_levels(self, device: DeviceKind) -> tuple[SleepLevel, ...]:
        """Level 2 gives its memory back. Level 1 keeps it, as host memory, which on the CPU is the device's own."""
        wake = (Call("POST", "/wake_up"),)
        deep = SleepLevel(2, (Call("POST", "/sleep", {"level": "2"}),), wake, keeps_weights=False)
        if device is DeviceKind.CPU:
            return (deep,)
        return (SleepLevel(1, (Call("POST", "/sleep", {"level": "1"}),), wake, keeps_weights=True), deep)

    def probe(self, name: str) -> Probe:
        return Probe("/probe", {"model": name})

    def problem_with(self, entry: ModelEntry) -> str | None:
        if entry.source is not None:
            return "source: the mock engine needs no weights; leave it out"
        for key, given in (("env", entry.env), ("defaults", entry.defaults)):
            if given:
                return f"{key}.{min(given)}: the mock engine has no use for it; leave it out"
        if not set(entry.type) <= SERVED:
            return f"type: mock serves {', '.join(sorted(SERVED))}"
        return problem_with_values("args", entry.args, ARGUMENTS)

    def specify(self, order: Order) -> EngineSpec:
        """An entry -> its container, or its process. It answers to the model's name and to all of its aliases."""
        entry = order.entry
        spec = order.specification(
            self,
            image=IMAGE,
            module="images.mock.server",
            arguments=(
                *("--served-model-name", order.name, *entry.aliases),
                *("--types", ",".join(entry.type)),
                *as_flags(entry.args),
            ),
            env={},
            memory_limit=order.placement.memory + GIB,
        )
        return replace(spec, environment=ROUNDHOUSE_ENVIRONMENT)


ENGINE = Mock()
