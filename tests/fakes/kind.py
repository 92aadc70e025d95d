"""An engine file for the tiny engine, and the folder in which the process runtime finds its Python."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from contract.catalogue import ModelEntry, ModelType
from manager.engines.arguments import as_flags
from manager.engines.kind import Call, Metrics, Order, Probe, SleepLevel
from manager.specification import DeviceKind, EngineSpec

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class TinyKind:
    """Accepts every argument; `start_deadline` is short: the program is up within a second, unless all are busy.

    `levels` are those of its sleep, on every device; 1 keeps weights.
    """

    name: str = "tiny"
    default_for: frozenset[ModelType] = frozenset({ModelType.TEXT})
    needs_weights: bool = True
    default_port: int = 8000
    start_deadline: float = 60
    hang_timeout: float = 60
    fills_its_share: bool = False
    health_path: str = "/health"
    metrics: Metrics = Metrics("running", "waiting", ("tokens",))  # noqa: RUF009  frozen
    phases: tuple[tuple[str, str], ...] = (("serving", "serving"),)
    faults: tuple[tuple[str, str], ...] = ()
    levels: tuple[int, ...] = ()

    def sleep_levels(self, device: DeviceKind) -> tuple[SleepLevel, ...]:
        return tuple(
            SleepLevel(
                level,
                sleep=(Call("POST", "/sleep", {"level": str(level)}),),
                wake=(Call("POST", "/wake_up"), Call("POST", "/reload", body={"of": "weights"})),
                keeps_weights=level == 1,
            )
            for level in self.levels
        )

    def probe(self, name: str) -> Probe:
        return Probe("/v1/completions", {"model": name, "prompt": "a", "max_tokens": 1})

    def problem_with(self, entry: ModelEntry) -> str | None:
        return None

    def specify(self, order: Order) -> EngineSpec:
        return EngineSpec(
            model=order.name,
            engine=self.name,
            container=order.container,
            port=self.default_port,
            module="tests.fakes.tiny_engine",
            arguments=as_flags(order.entry.args),
            env={"PYTHONPATH": str(ROOT)},
            placement=order.placement,
        )


def engines_folder(folder: Path) -> Path:
    """A folder that holds this Python as the environment of the tiny engine."""
    bin_folder = folder / "tiny" / "bin"
    bin_folder.mkdir(parents=True)
    os.symlink(sys.executable, bin_folder / "python")
    return folder
