"""The machine in words, and which of its cores do what."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

GIBIBYTE = 2**30
LATENCY = Path("/dev/cpu_dma_latency")


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


class Watch:
    """How quiet the machine was: others' processes that wanted a core within the minute before, and what its host gave
    to other machines since."""

    def __init__(self) -> None:
        self._load, self._stolen, self._began = os.getloadavg()[0], psutil.cpu_times().steal, time.monotonic()

    def __str__(self) -> str:
        share = (psutil.cpu_times().steal - self._stolen) / self.seconds / (os.cpu_count() or 1)
        return (
            f"before it began, {self._load:.1f} processes of others wanted a core; meanwhile, the host gave "
            f"{share:.1%} of the cores' time to other machines"
        )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began


@contextmanager
def awake(latency: Path = LATENCY) -> Iterator[bool]:
    """While it lasts, a core with nothing to do polls rather than sleeps; yields whether that could be had.

    A virtual core that sleeps is woken when its host comes to it: milliseconds where the host is busy, and nobody's
    doing that is measured here. The way is cyclictest's: zero microseconds in the kernel's file of latencies that are
    tolerated, for as long as it is open; root may.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(latency.open("r+b", buffering=0)).write(bytes(4))
            is_awake = True
        except OSError:  # no such file, or not ours to write
            is_awake = False
        yield is_awake


def _processor(cpuinfo: str) -> str:
    named = (line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(named, "a processor without a name")
