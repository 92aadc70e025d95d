"""What a decision of the scheduler costs, and a whole step of the supervisor.

    python -m benchmarks.scheduler [--rounds 2000] [--models 10 100 1000] [--leases 1000]

On a box with four GPUs and a host, the GPUs full of models in use: so many models in all, each waited for, and so many
leases. A decision is what one change brings about: `put` of the changed model, then `decide`. A step is all that the
supervisor does when a lease is opened, when the devices were seen, and when a second has passed. Times are of this
thread on its core: who else uses the machine does not count. Prints a table; exit status 1 where the 99th percentile of
a decision or of a lease's step is not within its goal.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice

from manager.events import LeaseClosed, LeaseOpened, MemorySeen, Tick
from manager.scheduling.stall import Rules, Stall
from manager.supervision.leases import Lease
from tests.manager.bench import Bench, fixed

GOAL = 0.001  # seconds
GPUS = {f"cuda:{number}": 80 for number in range(4)}
PLACES = tuple((gpu,) for gpu in GPUS)
NEED = 16  # five on a GPU


@dataclass(frozen=True)
class Figure:
    """One line of the table. Times are seconds; without a goal, it is for information."""

    models: int
    what: str
    seconds: list[float]
    goal: float | None

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.seconds, n=100)[98]

    @property
    def is_met(self) -> bool:
        return self.goal is None or self.p99 < self.goal

    def row(self) -> str:
        p50, p99, worst = (f"{value * 1000:.3f} ms" for value in (self.p50, self.p99, max(self.seconds)))
        goal = "–" if self.goal is None else f"{self.goal * 1000:.0f} ms, {'met' if self.is_met else 'not met'}"
        return f"| {self.models} | {self.what} | {p50} | {p99} | {worst} | {goal} |"

    @property
    def p50(self) -> float:
        return statistics.median(self.seconds)


def crowded(models: int, leases: int) -> Bench:
    """A box whose GPUs are full, and on which all models are waited for."""
    names = [f"model-{number}" for number in range(models)]
    made = [fixed(name, NEED, PLACES) for name in names]
    bench = Bench(*made, devices={**GPUS, "cpu": 256}, rules=Rules(sleep_memory=64))
    for name in islice(cycle(names), leases):
        bench.supervisor.handle(LeaseOpened(Lease(name, "worker")))
    while starting := [model.name for model in bench.supervisor.models.values() if model.engine and not model.spec]:
        for name in starting:
            bench.now += 0.01
            bench.ready(name)
    return bench


def timed(act: Callable[[], object]) -> float:
    began = time.thread_time()
    act()
    return time.thread_time() - began


def decisions(bench: Bench, rounds: int) -> Iterator[float]:
    """Each time another model has changed, one that waits where there is one."""
    scheduler, tracks = bench.supervisor.scheduler, bench.ledger.tracks()
    stalls = [model.stall() for model in bench.supervisor.models.values()]
    waiting = [stall for stall in stalls if not stall.place] or stalls

    def decide(changed: Stall) -> None:
        scheduler.put(changed)
        scheduler.decide(bench.now, tracks)

    for number, stall in enumerate(islice(cycle(waiting), rounds)):
        yield timed(partial(decide, replace(stall, last_used=float(number))))


def opened(bench: Bench, rounds: int) -> Iterator[float]:
    for name in islice(cycle(bench.supervisor.models), rounds):
        lease = Lease(name, "worker")
        bench.now += 0.0001
        yield timed(partial(bench.supervisor.handle, LeaseOpened(lease)))
        bench.supervisor.handle(LeaseClosed(lease))


def seen(bench: Bench, rounds: int) -> Iterator[float]:
    devices = bench.ledger.devices
    for _ in range(rounds):
        bench.now += 0.0001
        yield timed(lambda: bench.supervisor.handle(MemorySeen(bench.now, devices)))


def ticked(bench: Bench, rounds: int) -> Iterator[float]:
    for _ in range(rounds):
        bench.now += 0.0001
        yield timed(lambda: bench.supervisor.handle(Tick()))


def measured(models: int, leases: int, rounds: int) -> list[Figure]:
    bench = crowded(models, leases)
    gc.collect()
    return [
        Figure(models, "decision: put and decide", list(decisions(bench, rounds)), GOAL),
        Figure(models, "step: a lease is opened", list(opened(bench, rounds)), GOAL),
        Figure(models, "step: the devices were seen", list(seen(bench, rounds)), None),
        Figure(models, "step: a second has passed", list(ticked(bench, max(20, rounds // 20))), None),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--models", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--leases", type=int, default=1000)
    options = parser.parse_args()
    figures = [each for models in options.models for each in measured(models, options.leases, options.rounds)]
    print(json.dumps(vars(options)))
    print("| models | | p50 | p99 | worst | goal of p99 |\n|--:|---|--:|--:|--:|---|")
    print("\n".join(figure.row() for figure in figures))
    return int(not all(figure.is_met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
