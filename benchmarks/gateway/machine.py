"""The machine in words, and which of its cores do what."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

GIBIBYTE = 2**30


@dataclass(frozen=True)
class Cores:
    """Two cores, whatever the machine has: the proxy under test has one, load and upstream the other."""

    proxy: int
    load: int

    @property
    def both(self) -> str:
        return f"{self.proxy},{self.load}"


def two_cores() -> Cores:
    """Raises SystemExit where there are fewer."""
    found = sorted(os.sched_getaffinity(0))
    if len(found) < 2:
        raise SystemExit("the benchmark needs two cores: one for the proxy, one for the load")
    return Cores(found[0], found[1])


def describe() -> str:
    """`Linux on x86_64, Intel Xeon, 2 cores, 23 GiB; Python 3.11.2`. No name of a host."""
    system, python = os.uname(), platform.python_version()
    memory = psutil.virtual_memory().total / GIBIBYTE
    processor = _processor(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    cores = f"{os.cpu_count()} cores, {memory:.0f} GiB of memory"
    return f"{system.sysname} on {system.machine}, {processor}, {cores}; Python {python}"


def others_load() -> float:
    """Processes that ran or waited for a core within the last minute: how quiet the machine is."""
    return os.getloadavg()[0]


def _processor(cpuinfo: str) -> str:
    named = (line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(named, "a processor without a name")
