"""The devices of the box as seen: NVIDIA GPUs by NVML, and the CPU with the host's memory."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Protocol, cast

import pynvml

from contract.catalogue import Requires
from contract.sizes import show_bytes
from manager.box.host import HostMemory, cpu_name, host_memory
from manager.specification import DeviceKind

log = logging.getLogger(__name__)

# What asking again will not change.
PERMANENT = frozenset({pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION})


@dataclass(frozen=True)
class DeviceSeen:
    """One device as it was at one moment. `total` and `free` are bytes, whoever uses them."""

    id: str
    kind: DeviceKind
    name: str
    total: int
    free: int


class NvmlMemory(Protocol):
    """Bytes of a GPU's memory."""

    @property
    def total(self) -> int: ...
    @property
    def free(self) -> int: ...


class Nvml(Protocol):
    """What is asked of `pynvml`. Every call may raise pynvml.NVMLError."""

    def nvmlInit(self) -> None: ...
    def nvmlShutdown(self) -> None: ...
    def nvmlDeviceGetCount(self) -> int: ...
    def nvmlDeviceGetHandleByIndex(self, index: int) -> object: ...
    def nvmlDeviceGetName(self, handle: object) -> str: ...
    def nvmlDeviceGetMemoryInfo(self, handle: object) -> NvmlMemory: ...


@dataclass
class DeviceReader:
    """Reads the devices again and again, and keeps NVML open in between. Not for several threads at once."""

    nvml: Nvml = field(default_factory=lambda: cast(Nvml, pynvml))
    host: Callable[[], HostMemory] = host_memory
    _cpu_name: str = field(default_factory=cpu_name)
    _is_open: bool = False
    _told: dict[str, str] = field(default_factory=dict)

    def see(self) -> tuple[DeviceSeen, ...]:
        """GPUs first, then the CPU. Raises OSError where the host's memory cannot be read.

        A GPU that cannot be read is left out, and NVML is opened anew for the next sight: its driver may have been
        reloaded.
        """
        gpus = tuple(self._gpus())
        host = self.host()
        return (*gpus, DeviceSeen("cpu", DeviceKind.CPU, self._cpu_name, host.total, host.available))

    def close(self) -> None:
        """The next sight opens NVML again."""
        if self._is_open:
            self._is_open = False
            with suppress(pynvml.NVMLError):  # a driver that is gone has nothing left to close
                self.nvml.nvmlShutdown()

    def _gpus(self) -> Iterator[DeviceSeen]:
        for index in range(self._count()):
            device = f"cuda:{index}"
            try:
                yield self._gpu(device, index)
            except pynvml.NVMLError as error:
                self._fails(device, error)
            else:
                self._told.pop(device, None)

    def _count(self) -> int:
        """How many GPUs there are: none without a driver, or in a container without it."""
        try:
            if not self._is_open:
                self.nvml.nvmlInit()
                self._is_open = True
            return self.nvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            if self._is_open:
                self._fails("the NVIDIA driver", error)
            return 0

    def _gpu(self, device: str, index: int) -> DeviceSeen:
        handle = self.nvml.nvmlDeviceGetHandleByIndex(index)
        memory = self.nvml.nvmlDeviceGetMemoryInfo(handle)
        return DeviceSeen(device, DeviceKind.CUDA, self.nvml.nvmlDeviceGetName(handle), memory.total, memory.free)

    def _fails(self, what: str, error: pynvml.NVMLError) -> None:
        if self._told.get(what) != str(error):
            self._told[what] = str(error)
            log.warning("%s cannot be read: %s", what, error)
        if error.value not in PERMANENT:
            self.close()


def see_devices() -> tuple[DeviceSeen, ...]:
    """The devices once: GPUs, then the CPU. Raises OSError where the host's memory cannot be read."""
    with closing(DeviceReader()) as reader:
        return reader.see()


def lacking(requires: Requires, devices: Iterable[DeviceSeen], reserve: int = 0) -> str | None:
    """What the box lacks of what an entry requires, in words, or None where it has all.

    `reserve` is bytes of the host's memory that engines never get.
    """
    seen = tuple(devices)
    gpus = [device.total for device in seen if device.kind is DeviceKind.CUDA]
    if sum(total >= requires.gpu_memory for total in gpus) < requires.gpus:
        size = f" with {show_bytes(requires.gpu_memory)}" if requires.gpu_memory else ""
        return f"needs {requires.gpus} NVIDIA GPU{'s' * (requires.gpus > 1)}{size}; this box has {_gpus_here(gpus)}"
    host = max((device.total - reserve for device in seen if device.kind is DeviceKind.CPU), default=0)
    if host < requires.memory:
        here = show_bytes(max(0, host))
        return f"needs {show_bytes(requires.memory)} of host memory; this box has {here} for engines"
    return None


def _gpus_here(gpus: list[int]) -> str:
    return f"{len(gpus)} ({', '.join(map(show_bytes, gpus))})" if gpus else "none"
