"""How fast the proxy is, side by side with those that others use.

    python -m benchmarks.gateway [--quick] [--part requests|streams|memory|beside ...] [--peer vllm-router|smg|... ...]

On two cores, in one run, rounds interleaved, medians: whole answers (requests per second, CPU per request, latency),
streams (first byte, pace of many), memory over 200,000 requests, and streams beside large bodies and slow readers.
Linux. Roundhouse is compiled as in its image, in a copy under `.engines/compiled`, for which a C compiler is needed.
Where one may (root), cores with nothing to do poll while it measures, so that the host of a virtual machine does not
decide when a core wakes; the report says which it was, and how much of the cores' time the host gave away. Peers
install themselves under `.engines/peers`; nginx and wrk come from the system's packages. A whole run writes its
section of benchmarks/RESULTS.md and docs/gateway.svg; a part of one only prints. Exit status 1 where a figure misses
its goal.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks.gateway import part_beside, part_memory, part_requests, part_streams
from benchmarks.gateway.compiled import compile_proxy
from benchmarks.gateway.figures import Part
from benchmarks.gateway.install import install
from benchmarks.gateway.machine import Cores, Watch, awake, describe, two_cores
from benchmarks.gateway.peers import CATALOGUE
from benchmarks.gateway.plan import PARTS, QUICK, Plan
from benchmarks.gateway.report import PLOT, RESULTS, Occasion, plot, section, write


def main() -> int:
    options = _options(sys.argv[1:])
    plan, cores = plan_of(options), two_cores()
    install(plan.peers)
    compile_proxy()
    watch = Watch()
    for number in (signal.SIGTERM, signal.SIGINT):  # also where a shell had it ignored, as in the background
        signal.signal(number, _stop)
    os.sched_setaffinity(0, {cores.load})  # with it the load generators, which are its children
    with tempfile.TemporaryDirectory() as folder, awake() as is_awake:
        parts, picture = measure(plan, cores, Path(folder))
    command = " ".join(("python -m benchmarks.gateway", *sys.argv[1:]))
    date, minutes = f"{datetime.now(UTC):%Y-%m-%d}", watch.seconds / 60
    occasion = Occasion(command, date, describe(), minutes, str(watch), is_awake)
    told = section(parts, occasion)
    print(f"\n{told}")
    if plan.is_whole or options.write:
        write(RESULTS, told)
        if picture:
            PLOT.write_text(picture, encoding="utf-8")
    return int(not all(goal.is_met for part in parts for goal in part.goals))


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """Asked to end: what was started ends on the way out."""
    raise SystemExit(128 + number)


def measure(plan: Plan, cores: Cores, folder: Path) -> tuple[list[Part], str]:
    """The parts in their order, and the plot where whole answers were measured."""
    parts, picture = [], ""
    if "requests" in plan.parts:
        found = part_requests.measure(plan, cores, folder / "requests")
        parts.append(part_requests.part(found))
        picture = plot(found)
    if "streams" in plan.parts:
        parts.append(part_streams.part(part_streams.measure(plan, cores, folder / "streams")))
    if "memory" in plan.parts:
        parts.append(part_memory.part(part_memory.measure(plan, cores, folder / "memory")))
    if "beside" in plan.parts:
        parts.append(part_beside.part(part_beside.measure(plan, cores, folder / "beside")))
    return parts, picture


def plan_of(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else Plan()
    chosen = options.part or options.peer
    names = options.peer or [peer.name for peer in CATALOGUE]
    return replace(
        plan,
        parts=tuple(options.part or PARTS),
        peers=tuple(peer for peer in CATALOGUE if peer.name in names),
        is_whole=plan.is_whole and not chosen,
    )


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [peer.name for peer in CATALOGUE]
    parser.add_argument("--quick", action="store_true", help="three minutes: shorter and fewer rounds")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; again for one more")
    parser.add_argument("--peer", action="append", choices=[*names, "none"], help="only this peer; again for one more")
    parser.add_argument("--write", action="store_true", help="write the files even if it is not a whole run")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
