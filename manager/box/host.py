"""The host: its processor's name, and its memory: what the kernel says, and what a control group leaves of it.

Control groups limit by folder: `memory.max` in version 2, `memory.limit_in_bytes` in version 1, where each folder is
also bound by those above it. A limit counts where it is smaller than what the host has.
"""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

RECLAIMABLE = frozenset({"active_file", "inactive_file"})  # pages of files: the kernel drops them when memory is wanted


@dataclass(frozen=True)
class HostMemory:
    """Bytes. `available` is what programs can still have without swapping."""

    total: int
    available: int


@dataclass(frozen=True)
class _Version:
    """Where a version of control groups keeps its figures; `statistics` begins the wanted lines of `memory.stat`."""

    folder: str
    limit: str
    usage: str
    statistics: str = ""


_VERSION_1 = _Version("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
_VERSION_2 = _Version("sys/fs/cgroup", "memory.max", "memory.current")


def host_memory(root: Path = Path("/")) -> HostMemory:
    """The memory that programs of this process's control group share. Raises OSError where it cannot be read.

    `root` is where `proc` and `sys` are looked for.
    """
    host = psutil.virtual_memory()
    limits = [limit for version, group in _groups(root) for limit in _limits(root, version, group)]
    return HostMemory(
        min([host.total, *(limit.total for limit in limits)]),
        min([host.available, *(limit.available for limit in limits)]),
    )


def cpu_name(root: Path = Path("/")) -> str:
    """The processor as its maker calls it, or at least its architecture."""
    file = root / "proc/cpuinfo"
    lines = (line.partition(":") for line in file.read_text().splitlines()) if file.is_file() else iter(())
    named = next((value.strip() for key, _, value in lines if key.strip() == "model name"), "")
    return named or platform.machine()


def _groups(root: Path) -> Iterator[tuple[_Version, str]]:
    """The control groups of this process that may limit memory; none on systems that have no such thing."""
    file = root / "proc/self/cgroup"
    for line in file.read_text().splitlines() if file.is_file() else ():
        number, controllers, group = line.split(":", 2)
        if number == "0":
            yield _VERSION_2, group
        elif "memory" in controllers.split(","):
            yield _VERSION_1, group


def _limits(root: Path, version: _Version, group: str) -> Iterator[HostMemory]:
    """The group's own limit and those above it. In a container the group's name may be one of the host's: then it is
    no folder here, and the topmost folder is the container's."""
    inner = PurePosixPath(group.lstrip("/"))
    names = (inner, *inner.parents) if ".." not in inner.parts else (PurePosixPath(),)
    for folder in (root / version.folder / name for name in names):
        if (folder / version.limit).is_file() and (limit := _limit(folder, version)) is not None:
            yield limit


def _limit(folder: Path, version: _Version) -> HostMemory | None:
    written = (folder / version.limit).read_text().strip()
    if written == "max":
        return None
    used = int((folder / version.usage).read_text()) - _reclaimable(folder, version)
    return HostMemory(int(written), max(0, int(written) - max(0, used)))


def _reclaimable(folder: Path, version: _Version) -> int:
    lines = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    wanted = {version.statistics + name for name in RECLAIMABLE}
    return sum(int(amount) for name, amount in lines if name in wanted)
