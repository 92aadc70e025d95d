"""How much memory a model needs, and where it may run. Pure."""

from collections.abc import Iterable

from contract.catalogue import ModelEntry
from manager.box.devices import DeviceSeen
from manager.fixed import Fixed, Place
from manager.scheduling.lessons import Lessons
from manager.specification import DeviceKind, Placement

GIB = 2**30
UNKNOWN_NEED = 8 * GIB
MOST_CORRECTION = 1.5  # of the grant: a greater peak is not believed


def grant_of(entry: ModelEntry, weights_size: int) -> int:
    """Bytes that an engine is told that it may have: what the entry says, else an estimate from its weights.

    The estimate adds a fifth for activations, and 2 GiB for contexts and the engine itself.
    """
    if entry.memory is not None:
        return entry.memory
    if weights_size:
        return weights_size * 6 // 5 + 2 * GIB
    return entry.requires.gpu_memory or entry.requires.memory or UNKNOWN_NEED


def need_of(fixed: Fixed, lessons: Lessons) -> int:
    """Bytes that the model is booked with: its grant, corrected by the peak that was seen.

    What an entry declares, and what an engine takes because it was granted, is only ever corrected upwards; an estimate
    downwards by a half at most, since what others gave back meanwhile hides what a start has taken.
    """
    if not lessons.peak:
        return fixed.grant
    peak = min(lessons.peak, int(fixed.grant * MOST_CORRECTION))
    only_upwards = fixed.declared or fixed.kind is None or fixed.kind.fills_its_share
    return max(fixed.grant, peak) if only_upwards else max(peak * 11 // 10, fixed.grant // 2)


def places_of(entry: ModelEntry, devices: Iterable[DeviceSeen]) -> tuple[Place, ...]:
    """Where a model may run, best first: the devices that it names, all of them; else a GPU, else the CPU."""
    if entry.devices:
        return (entry.devices,)
    seen = tuple(devices)
    gpus = tuple((device.id,) for device in seen if device.kind is DeviceKind.CUDA)
    return gpus or tuple((device.id,) for device in seen if device.kind is DeviceKind.CPU)


def placement_of(fixed: Fixed, place: Place, devices: Iterable[DeviceSeen]) -> Placement:
    """Where an engine runs once the scheduler gave it a place. Raises KeyError for a device that is not there."""
    by_id = {device.id: device for device in devices}
    totals = [by_id[device].total for device in place]
    return Placement(by_id[place[0]].kind, place, min(fixed.grant, *totals), min(totals))
