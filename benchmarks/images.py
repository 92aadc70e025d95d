"""What the Diffusers engine adds to the plain diffusers loop, and what its batches and its techniques gain.

    python -m benchmarks.images [--rounds 3] [--model models/shapes] [--random sdxl|flux|svd] [--device cuda:0]
                                [--technique compile] [--technique "attention flash" ...]

One run, rounds interleaved: a script that calls the pipeline, and the engine asked over HTTP by one caller; then eight
requests in turn against eight at once; then one engine more for each technique. Both write the PNG that a caller
would get; of a clip, the engine alone writes a file. Prints a Markdown table; exit status 1 where a figure is worse
than its goal.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import Contestant, Job, Server, build, engine, loop, peak

MEBIBYTE = 2**20
AT_ONCE = 8
ONE_GOAL, BATCH_GOAL = 1.05, 1 / 3
SHAPES = Job(64, 64, steps=25, guidance=5.0)
RANDOM = {
    "sdxl": Job(1024, 1024, steps=30, guidance=5.0),
    "flux": Job(1024, 1024, steps=4, guidance=0.0),
    "svd": Job(1024, 576, steps=25, guidance=3.0, frames=25),
}


@dataclass(frozen=True)
class Figure:
    """One line of the table: seconds and bytes, beside what they are compared with. Without a goal only reported."""

    name: str
    seconds: float
    against: float
    memory: float
    goal: float | None = None

    @property
    def ratio(self) -> float:
        return self.seconds / self.against

    @property
    def missed(self) -> bool:
        return self.goal is not None and self.ratio > self.goal

    def row(self) -> str:
        verdict = "–" if self.goal is None else f"at most {self.goal:.2f}: {'not met' if self.missed else 'met'}"
        memory = f"{self.memory / MEBIBYTE:.0f} MiB" if self.memory else "–"
        return f"| {self.name} | {self.seconds:.3f} s | {self.ratio:.3f} | {memory} | {verdict} |"


class Bench:
    """The measurements of one job on one device. Every picture has a number of its own, which is its seed."""

    def __init__(self, job: Job, device: str, rounds: int) -> None:
        self._job = job
        self._device = device
        self._rounds = rounds
        self._numbers = itertools.count(1)

    def one_at_a_time(self, server: Server, plain: Contestant) -> Iterator[Figure]:
        """The same picture by both, the one that begins changing: whoever is second finds warmer caches."""
        ways: dict[str, Contestant] = {"the plain loop": plain, "the engine, one request at a time": server}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(self._rounds + 1):
            picture = next(self._numbers)
            order = list(ways) if number % 2 else list(reversed(ways))
            runs = {name: ways[name].run(self._job, picture) for name in order}
            same = len({run.pixels for run in runs.values()}) == 1
            told = ", ".join(f"{name} {run.seconds:.3f} s" for name, run in runs.items())
            print(f"round {number}{'' if number else ' (not counted)'}: {told}, same pixels: {same}", flush=True)
            for name, run in runs.items():
                seconds[name] += [run.seconds] if number else []
        medians = {name: statistics.median(found) for name, found in seconds.items()}
        for name, goal in zip(ways, (None, ONE_GOAL), strict=True):
            memory = peak(ways[name].pid, self._device)
            yield Figure(name, medians[name], medians["the plain loop"], memory, goal)

    def together(self, server: Server) -> Iterator[Figure]:
        in_turn, at_once = [], []
        for number in range(self._rounds):
            ways = (self._in_turn, self._at_once) if number % 2 else (self._at_once, self._in_turn)
            found = {way.__name__: way(server) for way in ways}
            in_turn.append(found["_in_turn"])
            at_once.append(found["_at_once"])
            print(f"round {number + 1}: {AT_ONCE} in turn {in_turn[-1]:.3f} s, at once {at_once[-1]:.3f} s", flush=True)
        memory = peak(server.pid, self._device)
        turn = statistics.median(in_turn)
        goal = None if self._device == "cpu" else BATCH_GOAL
        yield Figure(f"{AT_ONCE} requests in turn", turn, turn, memory)
        yield Figure(f"{AT_ONCE} requests at once", statistics.median(at_once), turn, memory, goal)

    def alone(self, server: Server, name: str, against: float) -> Figure:
        """One engine by itself, against another's figure of the same run."""
        server.run(self._job, next(self._numbers))
        seconds = [server.run(self._job, next(self._numbers)).seconds for _ in range(self._rounds)]
        return Figure(name, statistics.median(seconds), against, peak(server.pid, self._device))

    def _in_turn(self, server: Server) -> float:
        began = time.perf_counter()
        for _ in range(AT_ONCE):
            server.run(self._job, next(self._numbers))
        return time.perf_counter() - began

    def _at_once(self, server: Server) -> float:
        numbers = [next(self._numbers) for _ in range(AT_ONCE)]
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as callers:
            list(callers.map(lambda number: server.run(self._job, number), numbers))
        return time.perf_counter() - began


def measure(options: argparse.Namespace, model: Path, folder: Path) -> list[Figure]:
    bench = Bench(_job(options), options.device, options.rounds)
    flags = ["--device", options.device, "--dtype", options.dtype, "--max-batch-size", str(AT_ONCE)]
    with ExitStack() as stack:
        server = stack.enter_context(engine(model, folder, *flags))
        plain = stack.enter_context(loop(model, options.device, options.dtype))
        figures = list(bench.one_at_a_time(server, plain))
        if options.random != "svd":
            figures += bench.together(server)
    for technique in options.technique:
        with engine(model, folder, *flags, *f"--{technique}".split()) as server:
            figures.append(bench.alone(server, f"the engine with {technique}", figures[0].seconds))
    return figures


def _job(options: argparse.Namespace) -> Job:
    job = RANDOM[options.random] if options.random else SHAPES
    width, height = (int(side) for side in options.size.split("x")) if options.size else (job.width, job.height)
    return Job(width, height, options.steps or job.steps, job.guidance, job.frames)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, default=Path("models/shapes"), help="a folder with a text-to-image model")
    parser.add_argument("--random", choices=RANDOM, help="instead: random weights in the sizes of this model")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"))
    parser.add_argument("--size", help="WIDTHxHEIGHT")
    parser.add_argument("--steps", type=int)
    parser.add_argument(
        "--technique", action="append", default=[], help="a flag of the server, for one more engine; again for another"
    )
    options = parser.parse_args(arguments)
    options.dtype = options.dtype or ("float32" if options.device == "cpu" else "bfloat16")
    return options


def main() -> int:
    options = _options(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        model = options.model.resolve()
        if options.random:
            model = build(options.random, Path(folder) / options.random, options.device)
        figures = measure(options, model, Path(folder))
    print(f"\n`python -m benchmarks.images {' '.join(sys.argv[1:])}`: {_job(options)}, {options.dtype}\n")
    print("| | seconds | ratio | peak memory | goal |\n|---|--:|--:|--:|---|")
    print("\n".join(figure.row() for figure in figures))
    return int(any(figure.missed for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
