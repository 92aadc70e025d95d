"""The box as seen: host memory, and NVIDIA GPUs by NVML."""

from dataclasses import dataclass

import psutil
import pynvml

from contract.catalogue import Requires
from contract.sizes import show_bytes
from manager.specification import DeviceKind


@dataclass(frozen=True)
class Device:
    """One place for engines. `total` is bytes that engines may share among them."""

    id: str
    kind: DeviceKind
    total: int


def see_devices(reserve: int) -> tuple[Device, ...]:
    """GPUs first, then the CPU with its memory less `reserve` bytes."""
    host = Device("cpu", DeviceKind.CPU, max(0, psutil.virtual_memory().total - reserve))
    return (*_see_gpus(), host)


def _see_gpus() -> tuple[Device, ...]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver, or a container without it: a box without GPUs
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return tuple(
            Device(f"cuda:{index}", DeviceKind.CUDA, int(pynvml.nvmlDeviceGetMemoryInfo(handle).total))
            for index, handle in enumerate(handles)
        )
    finally:
        pynvml.nvmlShutdown()


def lacking(requires: Requires, devices: tuple[Device, ...]) -> str | None:
    """What the box lacks of what an entry requires, in words, or None where it has all."""
    gpus = [device for device in devices if device.kind is DeviceKind.CUDA and device.total >= requires.gpu_memory]
    if len(gpus) < requires.gpus:
        size = f" with {show_bytes(requires.gpu_memory)}" if requires.gpu_memory else ""
        return f"needs {requires.gpus} NVIDIA GPU{'s' * (requires.gpus > 1)}{size}; this box has {_gpus_here(devices)}"
    host = max((device.total for device in devices if device.kind is DeviceKind.CPU), default=0)
    if host < requires.memory:
        return f"needs {show_bytes(requires.memory)} of host memory; this box has {show_bytes(host)} for engines"
    return None


def _gpus_here(devices: tuple[Device, ...]) -> str:
    sizes = [show_bytes(device.total) for device in devices if device.kind is DeviceKind.CUDA]
    return f"{len(sizes)} ({', '.join(sizes)})" if sizes else "none"
