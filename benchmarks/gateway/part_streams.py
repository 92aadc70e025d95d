"""Streams: the first byte, and the pace of many at once."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from benchmarks.gateway.figures import Goal, Part, median_of, microseconds, milliseconds
from benchmarks.gateway.machine import Cores
from benchmarks.gateway.pacing import Pacing, middle
from benchmarks.gateway.plan import Plan
from benchmarks.gateway.streams import SINGLE_DELTAS, first_bytes, many
from benchmarks.gateway.subjects import DIRECT, OURS, Subject, field

PAUSE_SECONDS = 0.5  # between two crowds: what closes is closed
TEXT = """\
The engine writes the moment into every delta, so that a proxy's part is known. *First byte added* is the median time
from a request to its first delta, one stream after the other, less the engine's own; *delay* is the median way of a
delta; *gap* is how much longer the pause before a delta was than the engine made it, of 99 in 100 and of all; *joined*
are deltas that did not come as a chunk of their own, *spoilt* are streams that lost, doubled or mixed up one. Client
and engine share a core, and add to every line what the engine's own lines show."""
HEADS = ("", "streams", "first byte added", "delay", "gap p99", "longest gap", "joined", "spoilt", "CPU per delta")


@dataclass(frozen=True)
class Crowd:
    """Streams at once, each with a delta every so many milliseconds."""

    count: int
    milliseconds: int

    def __str__(self) -> str:
        return f"{self.count:,} at {self.milliseconds} ms"


CROWDS = (Crowd(1000, 200), Crowd(200, 20))


@dataclass(frozen=True)
class Result:
    """A subject's first byte, in seconds over the engine's own, the share of joined deltas then, and its crowds."""

    name: str
    title: str
    first: float
    joined: float
    crowds: dict[Crowd, Pacing]

    def rows(self) -> list[tuple[str, ...]]:
        first = "–" if self.name == DIRECT else milliseconds(self.first)
        rows: list[tuple[str, ...]] = [(self.title, "one by one", first, "", "", "", f"{self.joined:.1%}", "", "")]
        for crowd, pacing in self.crowds.items():
            times = (milliseconds(each) for each in (pacing.delay, pacing.gap, pacing.longest))
            kept = (f"{pacing.joined:.1%}", str(pacing.spoilt), microseconds(pacing.cpu))
            rows.append((self.title, str(crowd), "", *times, *kept))
        return rows


def measure(plan: Plan, cores: Cores, folder: Path) -> list[Result]:
    with field(cores, folder) as ground:
        engine = ground.streaming_engine()
        subjects = [engine, ground.roundhouse(engine), *(ground.peer(peer, engine) for peer in plan.peers)]
        return uvloop.run(_measure(plan, subjects))


async def _measure(plan: Plan, subjects: Sequence[Subject]) -> list[Result]:
    firsts: dict[str, list[float]] = defaultdict(list)
    joined: dict[str, list[float]] = defaultdict(list)
    crowds: dict[str, dict[Crowd, list[Pacing]]] = defaultdict(lambda: defaultdict(list))
    for number in range(plan.stream_rounds):
        for subject in subjects if number % 2 else reversed(subjects):
            seconds, streams = await first_bytes(subject.base_url, subject.key, plan.first_bytes)
            firsts[subject.name].append(median_of(seconds))
            joined[subject.name].append(Pacing.of(streams, SINGLE_DELTAS).joined)
            for crowd in () if subject.is_slow else CROWDS:
                crowds[subject.name][crowd].append(await _crowd(crowd, subject, plan.stream_seconds))
        print(f"streams, round {number + 1}: {_told(firsts)}", flush=True)
    made = []
    for subject in subjects:
        name = subject.name
        first = median_of(each - base for each, base in zip(firsts[name], firsts[DIRECT], strict=True))
        pacings = {crowd: middle(rounds) for crowd, rounds in crowds[name].items()}
        made.append(Result(name, subject.title, first, median_of(joined[name]), pacings))
    return made


async def _crowd(crowd: Crowd, subject: Subject, seconds: int) -> Pacing:
    deltas = seconds * 1000 // crowd.milliseconds
    before = subject.program.cpu()
    streams = await many(subject.base_url, subject.key, crowd.count, crowd.milliseconds, deltas)
    spent = subject.program.cpu() - before
    await asyncio.sleep(PAUSE_SECONDS)
    pacing = Pacing.of(streams, deltas)
    return replace(pacing, cpu=spent / pacing.deltas)


def _told(firsts: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} first byte {milliseconds(seconds[-1])}" for name, seconds in firsts.items())


def part(found: Sequence[Result]) -> Part:
    rows = tuple(row for result in found for row in result.rows())
    ours = next(result for result in found if result.name == OURS)
    return Part("Streams", TEXT, (HEADS, *rows), tuple(goals(ours)))


def goals(ours: Result) -> list[Goal]:
    made = [
        Goal("time to first byte, added", ours.first * 1e3, 1.0, "ms"),
        Goal("deltas that were joined, one stream after the other", ours.joined * 100, 0.0, "%"),
    ]
    for crowd, pacing in ours.crowds.items():
        made.append(Goal(f"added gap of 99 in 100, {crowd}", pacing.gap * 1e3, 10.0, "ms"))
        made.append(Goal(f"stalls and spoilt streams, {crowd}", pacing.stalls + pacing.spoilt, 0, digits=0))
    return made
