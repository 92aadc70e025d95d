"""Memory over many requests: it may not grow with them."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway.figures import MEBIBYTE, Goal, Part, mebibytes
from benchmarks.gateway.machine import Cores
from benchmarks.gateway.part_requests import CONNECTIONS
from benchmarks.gateway.plan import Plan
from benchmarks.gateway.subjects import field
from benchmarks.gateway.wrk import Wrk

STEP_SECONDS = 2
WARM_SHARE = 0.5  # of the requests: pools, caches and the allocator have their share by then
GOAL = 0.5  # MiB: five bytes a request, of which none should stay
TEXT = """\
Roundhouse's resident memory while it answers requests as above. *Growth* is that of the second half, when pools
and caches are full."""


@dataclass(frozen=True)
class Sample:
    """Bytes of memory after so many requests."""

    requests: int
    resident: int


def measure(plan: Plan, cores: Cores, folder: Path) -> list[Sample]:
    with field(cores, folder) as ground:
        ours = ground.roundhouse(ground.nginx_engine())
        wrk = Wrk(folder)
        samples = [Sample(0, ours.program.resident())]
        while samples[-1].requests < plan.growth_requests:
            done = wrk.run(ours.base_url, ours.key, CONNECTIONS, STEP_SECONDS).requests
            samples.append(Sample(samples[-1].requests + done, ours.program.resident()))
        print(f"memory: {samples[-1].resident / MEBIBYTE:.1f} MiB after {samples[-1].requests:,} requests", flush=True)
        return samples


def warm(samples: list[Sample]) -> Sample:
    """The first sample past the first half of the requests."""
    return next(each for each in samples if each.requests >= WARM_SHARE * samples[-1].requests)


def part(samples: list[Sample]) -> Part:
    first, last = warm(samples), samples[-1]
    growth = (last.resident - first.resident) / MEBIBYTE
    rows = [(f"{each.requests:,}", mebibytes(each.resident)) for each in (samples[0], first, last)]
    goal = Goal(f"growth over {last.requests - first.requests:,} requests", growth, GOAL, "MiB")
    return Part("Memory", TEXT, (("requests", "memory"), *rows), (goal,))
