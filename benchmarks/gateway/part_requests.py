"""Whole answers: requests per second, what each costs, and how long one waits."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway.figures import Goal, Part, mebibytes, median_of, microseconds, rate
from benchmarks.gateway.machine import Cores
from benchmarks.gateway.plan import Plan
from benchmarks.gateway.subjects import DIRECT, OURS, Subject, field
from benchmarks.gateway.wrk import Load, Wrk

CONNECTIONS = 32
WARM_SECONDS = 1
SLOW_SECONDS = 4  # for a proxy that would otherwise answer too few to have a median
RUST = ("vllm-router", "smg")
TEXT = f"""\
A chat request of 1 kB, an answer of 300 B, {CONNECTIONS} connections; then one connection. The proxies are on one core,
load and engine on the other; the Rust routers may use both. *CPU* is user and system time of a proxy's processes per
request, as the operating system counts it. *Added* is the median latency at one connection less the engine's own.
Roundhouse: compiled, as in its image; one worker, a stored key with limits of every kind, metrics, access log. The
others check no key and log no request, but for LiteLLM, which demands a key."""
HEADS = ("", "requests/s", "CPU per request", "p50 at one connection", "added", "memory")


@dataclass(frozen=True)
class Round:
    """One subject in one round: requests per second, seconds of CPU per request, seconds, bytes."""

    rate: float
    cpu: float
    alone: float
    resident: float


@dataclass(frozen=True)
class Result:
    """The medians of a subject's rounds. `added` is its latency at one connection over the engine's own."""

    name: str
    title: str
    rate: float
    cpu: float
    alone: float
    resident: float
    added: float

    def row(self) -> tuple[str, ...]:
        is_engine = self.name == DIRECT
        added = "–" if is_engine else microseconds(self.added)
        figures = (rate(self.rate), microseconds(self.cpu), microseconds(self.alone), added, mebibytes(self.resident))
        return (self.title, *figures)


def measure(plan: Plan, cores: Cores, folder: Path) -> list[Result]:
    with field(cores, folder) as ground:
        engine = ground.nginx_engine()
        subjects = [engine, ground.roundhouse(engine), *(ground.peer(peer, engine) for peer in plan.peers)]
        wrk = Wrk(folder)
        for subject in subjects:
            _load(wrk, subject, 1 if subject.is_slow else CONNECTIONS, WARM_SECONDS)
        found: dict[str, list[Round]] = defaultdict(list)
        for number in range(plan.rounds):
            for subject in subjects if number % 2 else reversed(subjects):
                found[subject.name].append(_round(wrk, subject, plan))
            told = ", ".join(f"{subject.name} {found[subject.name][-1].rate:,.0f}/s" for subject in subjects)
            print(f"requests, round {number + 1}: {told}", flush=True)
        return results(subjects, found)


def _round(wrk: Wrk, subject: Subject, plan: Plan) -> Round:
    crowd, spent = _load(wrk, subject, CONNECTIONS, plan.crowd_seconds)
    alone, _ = _load(wrk, subject, 1, plan.alone_seconds)
    return Round(crowd.rate, spent / crowd.requests, alone.p50, subject.program.resident())


def _load(wrk: Wrk, subject: Subject, connections: int, seconds: int) -> tuple[Load, float]:
    """A run of wrk, and the seconds of CPU that it cost the subject; then, until what was cut off is over."""
    before = subject.program.cpu()
    load = wrk.run(subject.base_url, subject.key, connections, max(seconds, SLOW_SECONDS if subject.is_slow else 0))
    spent = subject.program.cpu() - before
    subject.program.settle()
    return load, spent


def results(subjects: Sequence[Subject], found: dict[str, list[Round]]) -> list[Result]:
    """Medians; the engine's own latency is taken off in each round, before the median."""
    engine = [each.alone for each in found[DIRECT]]
    made = []
    for subject in subjects:
        rounds = found[subject.name]
        made.append(
            Result(
                subject.name,
                subject.title,
                rate=median_of(each.rate for each in rounds),
                cpu=median_of(each.cpu for each in rounds),
                alone=median_of(each.alone for each in rounds),
                resident=median_of(each.resident for each in rounds),
                added=median_of(each.alone - base for each, base in zip(rounds, engine, strict=True)),
            )
        )
    return made


def part(found: Sequence[Result]) -> Part:
    rows = tuple(result.row() for result in found)
    return Part("Whole answers", TEXT, (HEADS, *rows), tuple(goals(found)))


def goals(found: Sequence[Result]) -> list[Goal]:
    """What is promised of the ratios, as far as the peers were measured."""
    named = {result.name: result for result in found}
    ours = named[OURS]
    wanted = {"vllm-router": 2.0, "smg": 2.0, "nginx": 0.5, "litellm": 150.0}
    made = []
    for name in (name for name in wanted if name in named):
        ratio = ours.rate / named[name].rate
        made.append(Goal(f"requests per second, of {named[name].title}", ratio, wanted[name], "×", at_least=True))
    for name in (name for name in RUST if name in named):
        peer = named[name]
        made.append(Goal(f"CPU per request, of {peer.title}", ours.cpu / peer.cpu, 0.5, "×"))
        made.append(
            Goal(
                f"added p50 at one connection, against {peer.title}", ours.added * 1e6, peer.added * 1e6, "µs", digits=0
            )
        )
    return made
