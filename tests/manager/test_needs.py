"""How much memory a model is booked with, and where it may run."""

from dataclasses import replace

import pytest

from contract.catalogue import ModelEntry
from manager.box.devices import DeviceSeen
from manager.fixed import Fixed, Place
from manager.scheduling.lessons import Lessons
from manager.scheduling.needs import UNKNOWN_NEED, grant_of, need_of, placement_of, places_of
from manager.specification import DeviceKind, Placement
from tests.fakes.kind import TinyKind
from tests.manager.bench import fixed

GIB = 2**30
HOST = DeviceSeen("cpu", DeviceKind.CPU, "a host", 16 * GIB, 9 * GIB)
GPU = DeviceSeen("cuda:0", DeviceKind.CUDA, "a GPU", 24 * GIB, 24 * GIB)
OTHER_GPU = DeviceSeen("cuda:1", DeviceKind.CUDA, "a smaller GPU", 8 * GIB, 8 * GIB)


def entry(**keys: object) -> ModelEntry:
    return ModelEntry.model_validate({"type": "text", **keys})


def model(*, declared: bool, fills: bool) -> Fixed:
    return replace(fixed("small", 10 * GIB), declared=declared, kind=TinyKind(fills_its_share=fills))


@pytest.mark.parametrize(
    ("keys", "weights", "grant"),
    [
        ({"memory": "3GiB"}, 10 * GIB, 3 * GIB),
        ({}, 10 * GIB, 14 * GIB),
        ({"requires": {"gpus": 1, "gpu_memory": "20GiB"}}, 0, 20 * GIB),
        ({"requires": {"memory": "5GiB"}}, 0, 5 * GIB),
        ({}, 0, UNKNOWN_NEED),
    ],
)
def test_the_grant_is_what_the_entry_says_or_an_estimate_from_the_weights(
    keys: dict[str, object], weights: int, grant: int
) -> None:
    assert grant_of(entry(**keys), weights) == grant


@pytest.mark.parametrize(
    ("declared", "fills", "peak", "need"),
    [
        (False, False, 0, 10 * GIB),
        (False, False, 6 * GIB, 6 * GIB * 11 // 10),
        (False, False, 2 * GIB, 5 * GIB),
        (True, False, 4 * GIB, 10 * GIB),
        (False, True, 4 * GIB, 10 * GIB),
        (True, False, 12 * GIB, 12 * GIB),
        (True, False, 100 * GIB, 15 * GIB),
    ],
    ids=[
        "never seen",
        "an estimate shrinks",
        "but not to nothing",
        "declared",
        "takes its share",
        "grew",
        "too much to be believed",
    ],
)
def test_the_need_is_the_grant_corrected_by_the_peak_that_was_seen(
    declared: bool, fills: bool, peak: int, need: int
) -> None:
    assert need_of(model(declared=declared, fills=fills), Lessons(peak=peak)) == need


@pytest.mark.parametrize(
    ("keys", "devices", "places"),
    [
        ({}, (GPU, OTHER_GPU, HOST), (("cuda:0",), ("cuda:1",))),
        ({}, (HOST,), (("cpu",),)),
        ({"devices": ["cpu"]}, (GPU, HOST), (("cpu",),)),
        ({"devices": ["cuda:0", "cuda:1"]}, (GPU, OTHER_GPU, HOST), (("cuda:0", "cuda:1"),)),
    ],
)
def test_a_model_runs_on_any_gpu_where_there_are_some_or_on_all_the_devices_that_it_names(
    keys: dict[str, object], devices: tuple[DeviceSeen, ...], places: tuple[Place, ...]
) -> None:
    assert places_of(entry(**keys), devices) == places


def test_a_placement_says_how_much_of_which_devices_and_the_smallest_bounds_it() -> None:
    both = ("cuda:0", "cuda:1")
    ours, there = fixed("small", 10 * GIB), (GPU, OTHER_GPU, HOST)
    assert placement_of(ours, both, there) == Placement(DeviceKind.CUDA, both, 8 * GIB, 8 * GIB)
    assert placement_of(ours, ("cuda:0",), there) == Placement(DeviceKind.CUDA, ("cuda:0",), 10 * GIB, 24 * GIB)
    with pytest.raises(KeyError):
        placement_of(ours, ("cuda:7",), there)
