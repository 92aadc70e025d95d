"""Streams while a neighbour sends large bodies or reads slowly: they may not notice."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks.gateway.disturbances import SLOW_READERS
from benchmarks.gateway.figures import Goal, Part, milliseconds
from benchmarks.gateway.machine import Cores
from benchmarks.gateway.pacing import Pacing, middle
from benchmarks.gateway.plan import Plan
from benchmarks.gateway.processes import running
from benchmarks.gateway.streams import many
from benchmarks.gateway.subjects import Subject, field

COUNT, MILLISECONDS = 100, 20
NOTHING, BODIES, READERS = "nothing", "bodies of 8 MB in base64", f"{SLOW_READERS} slow readers"
TEXT = f"""\
{COUNT} streams with a delta every {MILLISECONDS} ms through Roundhouse, and beside them: a caller who sends one picture
of 8 MB in base64 after the other (each is decoded and written anew, on the proxy's own core); {SLOW_READERS} callers
who ask for large streams and read 80 kB/s each."""
HEADS = ("beside", "delay", "gap p99", "longest gap", "stalls", "spoilt", "done beside")


@dataclass(frozen=True)
class Neighbour:
    """Somebody beside the streams: one of `disturbances`, or nobody; what is done is counted in this unit."""

    name: str
    work: str = ""
    unit: str = ""
    scale: float = 1.0


NEIGHBOURS = (
    Neighbour(NOTHING),
    Neighbour(BODIES, "bodies", "bodies"),
    Neighbour(READERS, "readers", "MB read", 1e-6),
)


@dataclass(frozen=True)
class Result:
    """The streams' pacing beside a neighbour, and what that one got done."""

    name: str
    pacing: Pacing
    done: str

    def row(self) -> tuple[str, ...]:
        pacing = self.pacing
        times = (milliseconds(each) for each in (pacing.delay, pacing.gap, pacing.longest))
        return (self.name, *times, str(pacing.stalls), str(pacing.spoilt), self.done)


def measure(plan: Plan, cores: Cores, folder: Path) -> list[Result]:
    found: dict[str, list[Pacing]] = defaultdict(list)
    done: dict[str, float] = defaultdict(float)
    with field(cores, folder) as ground:
        ours = ground.roundhouse(ground.streaming_engine())
        for number in range(plan.beside_rounds):
            for neighbour in NEIGHBOURS if number % 2 else reversed(NEIGHBOURS):
                with _at_work(neighbour, ours, cores, folder) as count:
                    found[neighbour.name].append(_streams(plan, ours))
                done[neighbour.name] += count() * neighbour.scale
            told = ", ".join(f"{name} gap {milliseconds(rounds[-1].gap)}" for name, rounds in found.items())
            print(f"beside, round {number + 1}: {told}", flush=True)
    return [Result(each.name, middle(found[each.name]), _done(each, done[each.name])) for each in NEIGHBOURS]


def _streams(plan: Plan, ours: Subject) -> Pacing:
    deltas = plan.beside_seconds * 1000 // MILLISECONDS
    return Pacing.of(uvloop.run(many(ours.base_url, ours.key, COUNT, MILLISECONDS, deltas)), deltas)


@contextmanager
def _at_work(neighbour: Neighbour, ours: Subject, cores: Cores, folder: Path) -> Iterator[Callable[[], int]]:
    """Beside what is done within -> what tells afterwards how much the neighbour has done."""
    if not neighbour.work:
        yield int
        return
    command = (sys.executable, "-m", "benchmarks.gateway.disturbances", neighbour.work, ours.base_url, ours.key)
    with running(neighbour.work, command, str(cores.load), folder, {}) as program:
        yield lambda: int(program.log.read_text())


def _done(neighbour: Neighbour, count: float) -> str:
    return f"{count:,.0f} {neighbour.unit}" if neighbour.work else "–"


def part(found: Sequence[Result]) -> Part:
    return Part(
        "Beside large bodies and slow readers", TEXT, (HEADS, *(each.row() for each in found)), tuple(goals(found))
    )


def goals(found: Sequence[Result]) -> list[Goal]:
    made = []
    for result in found:
        if result.name != NOTHING:
            made.append(Goal(f"added gap of 99 in 100 beside {result.name}", result.pacing.gap * 1e3, 10.0, "ms"))
            bad = result.pacing.stalls + result.pacing.spoilt
            made.append(Goal(f"stalls and spoilt streams beside {result.name}", bad, 0, digits=0))
    return made
