import pytest

from contract.catalogue import ModelEntry, Requires
from manager.devices import Device, lacking, see_devices
from manager.ledger import candidates, need_of, place
from manager.specification import DeviceKind, Placement

GIB = 2**30
HOST = Device("cpu", DeviceKind.CPU, 16 * GIB)
GPU = Device("cuda:0", DeviceKind.CUDA, 24 * GIB)


def entry(**keys: object) -> ModelEntry:
    return ModelEntry.model_validate({"type": "text", **keys})


@pytest.mark.parametrize(
    ("requires", "devices", "words"),
    [
        (Requires(), (HOST,), None),
        (Requires(gpus=1), (GPU, HOST), None),
        (Requires(gpus=1), (HOST,), "needs 1 NVIDIA GPU; this box has none"),
        (Requires(gpus=2), (GPU, HOST), "needs 2 NVIDIA GPUs; this box has 1 (24 GiB)"),
        (Requires(gpus=1, gpu_memory=40 * GIB), (GPU, HOST), "with 40 GiB; this box has 1 (24 GiB)"),
        (Requires(memory=32 * GIB), (HOST,), "needs 32 GiB of host memory; this box has 16 GiB for engines"),
    ],
)
def test_what_a_box_lacks_is_said_in_words(requires: Requires, devices: tuple[Device, ...], words: str | None) -> None:
    lacks = lacking(requires, devices)
    assert lacks is None if words is None else lacks is not None and words in lacks


def test_the_need_is_what_the_entry_says_or_an_estimate_from_the_weights() -> None:
    assert need_of(entry(memory="3GiB"), 10 * GIB) == 3 * GIB
    assert need_of(entry(), 10 * GIB) == 14 * GIB
    assert need_of(entry(requires={"gpus": 1, "gpu_memory": "20GiB"}), 0) == 20 * GIB


def test_a_model_runs_on_gpus_where_there_are_some_and_on_the_devices_that_it_names() -> None:
    assert candidates(entry(), (GPU, HOST)) == ("cuda:0",)
    assert candidates(entry(), (HOST,)) == ("cpu",)
    assert candidates(entry(devices=["cpu"]), (GPU, HOST)) == ("cpu",)


def test_a_placement_says_how_much_of_which_device() -> None:
    assert place(entry(), "cuda:0", 6 * GIB, (GPU, HOST)) == Placement(DeviceKind.CUDA, ("cuda:0",), 6 * GIB, 24 * GIB)


def test_this_box_has_a_cpu_with_memory_for_engines() -> None:
    assert see_devices(reserve=0)[-1].kind is DeviceKind.CPU
    assert see_devices(reserve=0)[-1].total > see_devices(reserve=GIB)[-1].total > 0
