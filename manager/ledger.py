"""The memory that an engine is booked with, and the devices where it may run. Pure."""

from contract.catalogue import ModelEntry
from manager.devices import Device
from manager.specification import DeviceKind, Placement

GIB = 2**30
UNKNOWN_NEED = 8 * GIB


def need_of(entry: ModelEntry, weights_size: int) -> int:
    """Bytes that a model needs on its device: what the entry says, else an estimate from its weights.

    The estimate adds a fifth for activations, and 2 GiB for contexts and the engine itself.
    """
    if entry.memory is not None:
        return entry.memory
    if weights_size:
        return weights_size * 6 // 5 + 2 * GIB
    return entry.requires.gpu_memory or entry.requires.memory or UNKNOWN_NEED


def candidates(entry: ModelEntry, devices: tuple[Device, ...]) -> tuple[str, ...]:
    """Devices where a model may run, best first: those it names, else GPUs, else the CPU."""
    if entry.devices:
        return entry.devices[:1]
    gpus = tuple(device.id for device in devices if device.kind is DeviceKind.CUDA)
    if gpus:
        return gpus
    return tuple(device.id for device in devices if device.kind is DeviceKind.CPU)


def place(entry: ModelEntry, device_id: str, need: int, devices: tuple[Device, ...]) -> Placement:
    """Where an engine runs once the scheduler gave it a device. Raises KeyError for a device that is not there."""
    by_id = {device.id: device for device in devices}
    device = by_id[device_id]
    return Placement(device.kind, entry.devices or (device_id,), min(need, device.total), device.total)
