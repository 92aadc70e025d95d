"""Streams while a neighbour sends large bodies or reads slowly: they may not notice."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks.gateway.disturbances import SLOW_READERS, large_body, read_slowly, send_large_bodies
from benchmarks.gateway.figures import Goal, Part, milliseconds
from benchmarks.gateway.machine import Cores
from benchmarks.gateway.pacing import Pacing, middle
from benchmarks.gateway.plan import Plan
from benchmarks.gateway.streams import many
from benchmarks.gateway.subjects import Subject, field

COUNT, MILLISECONDS = 100, 20
NOTHING, BODIES, READERS = "nothing", "bodies of 8 MB in base64", f"{SLOW_READERS} slow readers"
TEXT = f"""\
{COUNT} streams with a delta every {MILLISECONDS} ms through Roundhouse, and beside them: a caller who sends one picture
of 8 MB in base64 after the other (each is decoded and written anew, on the proxy's own core); {SLOW_READERS} callers
who ask for large streams and read 80 kB/s each."""
HEADS = ("beside", "delay", "gap p99", "longest gap", "stalls", "spoilt", "done beside")

# What goes on beside the streams: threads of it, each until the event is set, giving what it has done.
Work = Callable[[Subject, threading.Event], int]


@dataclass(frozen=True)
class Neighbour:
    """Somebody beside the streams, so many times at once; what is done is counted in this unit."""

    name: str
    work: Work
    threads: int
    unit: str
    scale: float = 1.0


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


def neighbours() -> tuple[Neighbour, ...]:
    body = large_body()

    def bodies(subject: Subject, ended: threading.Event) -> int:
        return send_large_bodies(subject, body, ended)

    return (
        Neighbour(NOTHING, lambda subject, ended: 0, 0, ""),
        Neighbour(BODIES, bodies, 1, "bodies"),
        Neighbour(READERS, read_slowly, SLOW_READERS, "MB read", 1e-6),
    )


def measure(plan: Plan, cores: Cores, folder: Path) -> list[Result]:
    with field(cores, folder) as ground:
        ours = ground.roundhouse(ground.streaming_engine())
        return uvloop.run(_measure(plan, ours, neighbours()))


async def _measure(plan: Plan, ours: Subject, beside: Sequence[Neighbour]) -> list[Result]:
    found: dict[str, list[Pacing]] = defaultdict(list)
    done: dict[str, float] = defaultdict(float)
    for number in range(plan.beside_rounds):
        for neighbour in beside if number % 2 else reversed(beside):
            pacing, count = await _round(plan, ours, neighbour)
            found[neighbour.name].append(pacing)
            done[neighbour.name] += count * neighbour.scale
        told = ", ".join(f"{name} gap {milliseconds(rounds[-1].gap)}" for name, rounds in found.items())
        print(f"beside, round {number + 1}: {told}", flush=True)
    return [Result(each.name, middle(found[each.name]), _done(each, done[each.name])) for each in beside]


async def _round(plan: Plan, ours: Subject, neighbour: Neighbour) -> tuple[Pacing, int]:
    loop = asyncio.get_running_loop()
    deltas = plan.beside_seconds * 1000 // MILLISECONDS
    ended = threading.Event()
    with ThreadPoolExecutor(SLOW_READERS) as threads:
        works = [loop.run_in_executor(threads, neighbour.work, ours, ended) for _ in range(neighbour.threads)]
        try:
            streams = await many(ours.base_url, ours.key, COUNT, MILLISECONDS, deltas)
        finally:
            ended.set()
            counts = await asyncio.gather(*works)
    return Pacing.of(streams, deltas), sum(counts)


def _done(neighbour: Neighbour, count: float) -> str:
    return f"{count:,.0f} {neighbour.unit}" if neighbour.threads else "–"


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
