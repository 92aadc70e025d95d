"""What it takes to bring an engine up, put it to sleep, wake it and stop it, each against its cold start.

    python -m benchmarks.swap [--rounds 3] [--runtime docker|process] [--only vllm] [--deep]
                              [--model ./folder|owner/name --type text --memory 20GiB --args '{"max-model-len": 4096}']

Each engine in turn, rounds interleaved, through a manager of its own: loads and wakings from the question to the
answer "ready", the rest from one state of the model to the next. An engine that does not sleep on its device says so.
`--model` names one model more, whose weights are here, and holds its waking to the goal; exit status 1 where that is
not met. `--deep` gives sleepers no host memory, so that they drop their weights.
"""

import argparse
import json
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from contract.states import ModelState, ModelStatus
from tests.integration.stack import ROOT, Stack, running

WAKE_GOAL = 0.1  # of a cold start
IDLE_SECONDS = 0.5
ENTRIES: dict[str, dict[str, Any]] = {
    "vllm": {"type": "text", "source": "./smollm2", "memory": "4GiB", "args": {"max-model-len": 1024}},
    "diffusers": {"type": "image", "source": "./shapes", "memory": "1GiB", "defaults": {"size": "64x64"}},
    # Its times are its arguments: what is more of them is the manager's and the process's own.
    "mock": {"type": "text", "engine": "mock", "memory": "64MiB", "args": {"load-seconds": 2, "wake-seconds": 0.1}},
}


@dataclass
class Swaps:
    """What one model's rounds took, in seconds."""

    name: str
    cold: list[float] = field(default_factory=list)
    sleep: list[float] = field(default_factory=list)
    wake: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    device: str = "?"
    level: int | None = None

    def row(self, *, has_goal: bool) -> str:
        cold = statistics.median(self.cold)
        cells = (_cell(seconds, cold) for seconds in (self.sleep, self.wake, self.stop))
        asleep = f"level {self.level}" if self.level else f"none on {self.device}"
        verdict = ("met" if self.meets_goal else "not met") if has_goal else "–"
        return f"| {self.name} | {self.device} | {cold:.2f} s | {asleep} | {' | '.join(cells)} | {verdict} |"

    @property
    def meets_goal(self) -> bool:
        return bool(self.wake) and statistics.median(self.wake) < WAKE_GOAL * statistics.median(self.cold)


def _cell(seconds: list[float], cold: float) -> str:
    return f"{statistics.median(seconds):.2f} s ({statistics.median(seconds) / cold:.3f})" if seconds else "–"


class Journal:
    """What the manager tells of its models, in order."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def until(self, model: str, *states: ModelState) -> tuple[float, ModelStatus]:
        """When the model was next told to be in one of these states. Raises RuntimeError where it fails."""
        for line in self._lines:
            if not line.startswith('data: {"name":'):
                continue
            status = ModelStatus.model_validate_json(line.removeprefix("data: "))
            if status.name == model and status.state in states:
                return time.perf_counter(), status
            if status.name == model and status.state in {ModelState.FAILED, ModelState.UNAVAILABLE}:
                raise RuntimeError("\n".join((f"{model} is {status.state}: {status.reason}", *status.log_tail)))
        raise RuntimeError("the manager has ended")


class Bench:
    """One stack, and a round of any of its models."""

    def __init__(self, client: httpx.Client, journal: Journal) -> None:
        self._client = client
        self._journal = journal

    def round(self, swaps: Swaps) -> None:
        """From nothing to nothing: started, left alone until it sleeps, woken, stopped."""
        until, name = self._journal.until, swaps.name
        seconds, ready = self._load(name)
        swaps.cold.append(seconds)
        swaps.device = ", ".join(ready.devices)
        left, resting = until(name, ModelState.SLEEPING, ModelState.STOPPING)
        if resting.state is ModelState.SLEEPING:
            rested, asleep = until(name, ModelState.ASLEEP)
            swaps.level = asleep.sleep_level
            swaps.sleep.append(rested - left)
            swaps.wake.append(self._load(name)[0])
            self._ask(name, "unload")
            left, _ = until(name, ModelState.STOPPING)
        swaps.stop.append(until(name, ModelState.STOPPED)[0] - left)

    def _load(self, name: str) -> tuple[float, ModelStatus]:
        asked = time.perf_counter()
        self._ask(name, "load")
        ready, status = self._journal.until(name, ModelState.READY)
        return ready - asked, status

    def _ask(self, name: str, verb: str) -> None:
        self._client.post(f"/admin/models/{name}/{verb}").raise_for_status()


@contextmanager
def bench(options: argparse.Namespace, entries: dict[str, dict[str, Any]]) -> Iterator[Bench]:
    settings = {"ROUNDHOUSE_SETTLE": "0", "ROUNDHOUSE_HUB_DIR": ""}  # the hub's cache is the user's own
    if options.deep:
        settings["ROUNDHOUSE_SLEEP_MEMORY"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Path(folder, "models.json")
        catalogue.write_text(
            json.dumps({name: entry | {"idle_timeout": IDLE_SECONDS} for name, entry in entries.items()})
        )
        stack = Stack(
            options.runtime,
            Path(folder),
            name="rhswap",
            models=options.models,
            catalogue=catalogue,
            settings=settings,
        )
        with (
            running(stack, quiet=True),
            httpx.Client(base_url=stack.base_url, timeout=1800, trust_env=False) as client,
            client.stream("GET", "/admin/events") as events,
        ):
            yield Bench(client, Journal(events.iter_lines()))


def measure(options: argparse.Namespace, entries: dict[str, dict[str, Any]]) -> list[Swaps]:
    found = {name: Swaps(name) for name in entries}
    with bench(options, entries) as made:
        for number in range(options.rounds):
            for name, swaps in found.items():
                made.round(swaps)
                told = {kind: each[-1] for kind in ("cold", "sleep", "wake", "stop") if (each := getattr(swaps, kind))}
                times = ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in told.items())
                print(f"round {number + 1}: {name}: {times}", flush=True)
    return list(found.values())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runtime", choices=("docker", "process"), default="process")
    parser.add_argument("--only", choices=(*ENTRIES, "model"), action="append", help="again for another")
    parser.add_argument("--deep", action="store_true", help="no host memory for sleepers")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="the models folder")
    parser.add_argument("--model", help="a folder under the models folder, or a repository in the hub's cache")
    parser.add_argument("--type", default="text")
    parser.add_argument("--memory", help="that the model may have of its device, e.g. 20GiB")
    parser.add_argument("--args", type=json.loads, default={}, help="the entry's `args`, as JSON")
    return parser.parse_args()


def main() -> int:
    options = _options()
    entries = dict(ENTRIES)
    if options.model:
        entries["model"] = {"type": options.type, "source": options.model, "args": options.args}
        entries["model"] |= {"memory": options.memory} if options.memory else {}
    entries = {name: entry for name, entry in entries.items() if name in (options.only or entries)}
    found = measure(options, entries)
    command = shlex.join(("python", "-m", "benchmarks.swap", *sys.argv[1:]))
    print(f"\n`{command}`: medians, and ratios of the cold start\n")
    print(f"| | device | cold start | sleep | to sleep | to wake | to stop | wake under {WAKE_GOAL:g} |")
    print("|---|---|--:|---|--:|--:|--:|---|")
    print("\n".join(swaps.row(has_goal=swaps.name == "model") for swaps in found))
    return int(any(swaps.name == "model" and not swaps.meets_goal for swaps in found))


if __name__ == "__main__":
    sys.exit(main())
