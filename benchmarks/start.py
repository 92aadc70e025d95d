"""What Roundhouse adds to an engine: cold start, a ready model's first token, memory at rest.

    python -m benchmarks.start [--runtime docker|process] [--rounds 3] [--tokens 60]

Side by side in one run, rounds interleaved: the engine started by hand with the very specification that the manager
gives it, and the engine started by the first request through the proxy. Prints a table with ratios; exit status 1
where a figure is worse than its goal.
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.alone import EngineAlone
from tests.integration.stack import MODEL, Stack, eventually, running_stack

MEBIBYTE = 2**20
COLD_GOAL, FIRST_TOKEN_GOAL, MEMORY_GOAL = 1.0, 0.005, 150 * MEBIBYTE
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "stream": True}


@dataclass(frozen=True)
class Figure:
    """One line of the table. `alone` and `through` are in the same unit; `goal` bounds their difference."""

    name: str
    alone: float
    through: float
    goal: float
    scale: float
    unit: str

    @property
    def added(self) -> float:
        return self.through - self.alone

    def row(self) -> str:
        alone, through, added, goal = (
            f"{value * self.scale:.1f} {self.unit}" for value in (self.alone, self.through, self.added, self.goal)
        )
        ratio = f"{self.through / self.alone:.3f}" if self.alone else "–"
        verdict = "met" if self.added < self.goal else "not met"
        return f"| {self.name} | {alone} | {through} | {ratio} | {added} | {goal} | {verdict} |"


def first_token(client: httpx.Client, base_url: str) -> float:
    """Seconds from sending a chat request to the first event of its stream that carries data."""
    seconds = math.inf
    began = time.perf_counter()
    with client.stream("POST", f"{base_url}/v1/chat/completions", json=QUESTION) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():  # to the end, so that the connection can be used again
            if line.startswith("data:"):
                seconds = min(seconds, time.perf_counter() - began)
    return seconds


def cold_alone(alone: EngineAlone, client: httpx.Client) -> float:
    """Seconds from asking for the engine's start to its first token, with nothing of ours between."""
    began = time.perf_counter()
    with alone.running() as base_url:
        while True:
            try:
                first_token(client, base_url)
                return time.perf_counter() - began
            except httpx.HTTPError:
                time.sleep(0.1)


def cold_through(stack: Stack, client: httpx.Client) -> float:
    """The same by the first request that comes to the proxy. Leaves the model unloaded."""
    seconds = first_token(client, stack.base_url)
    stack.unload()
    return seconds


def cold_starts(stack: Stack, alone: EngineAlone, client: httpx.Client, rounds: int) -> Figure:
    measured: dict[str, list[float]] = {"alone": [], "through": []}
    for number in range(rounds):
        # Whoever goes second finds warmer caches, so the order changes.
        for way in ("alone", "through") if number % 2 else ("through", "alone"):
            seconds = cold_alone(alone, client) if way == "alone" else cold_through(stack, client)
            measured[way].append(seconds)
            print(f"round {number + 1}: cold start {way}: {seconds:.2f} s", flush=True)
    alone_, through = (statistics.median(measured[way]) for way in ("alone", "through"))
    return Figure("cold start to first token", alone_, through, COLD_GOAL, 1, "s")


def ready_first_tokens(stack: Stack, client: httpx.Client, count: int) -> Figure:
    stack.load()
    engine = stack.engine_address()
    measured: dict[str, list[float]] = {engine: [], stack.base_url: []}
    for _ in range(count):
        for base_url, seconds in measured.items():
            seconds.append(first_token(client, base_url))
    alone, through = (statistics.median(seconds[count // 6 :]) for seconds in measured.values())
    return Figure("first token of a ready model", alone, through, FIRST_TOKEN_GOAL, 1000, "ms")


def memory_at_rest(stack: Stack) -> Figure:
    """Resident memory of manager and proxy with no model loaded and no request."""
    stack.unload()
    resident = sum(psutil.Process(process.pid).memory_info().rss for process in stack.processes.values())
    return Figure("memory of manager and proxy", 0, resident, MEMORY_GOAL, 1 / MEBIBYTE, "MiB")


@contextmanager
def bench(runtime: str) -> Iterator[tuple[Stack, httpx.Client]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(runtime, Path(folder), quiet=True) as stack,
        httpx.Client(timeout=600, trust_env=False) as client,
    ):
        eventually(lambda: stack.state() == "stopped", "the model is known")
        yield stack, client


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", choices=("docker", "process"), default="docker")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=60, help="requests of each kind to the ready model")
    options = parser.parse_args()
    with bench(options.runtime) as (stack, client):
        figures = [
            memory_at_rest(stack),
            cold_starts(stack, EngineAlone(stack), client, options.rounds),
            ready_first_tokens(stack, client, options.tokens),
        ]
    print(json.dumps(vars(options)))
    print("| | engine alone | through Roundhouse | ratio | added | goal | |\n|---|--:|--:|--:|--:|--:|---|")
    print("\n".join(figure.row() for figure in figures))
    return int(any(figure.added >= figure.goal for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
