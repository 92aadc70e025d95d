"""GPUs and host memory as seen: a stand-in for NVML is handed in, control groups are files in a folder."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pynvml
import pytest

from contract.catalogue import Requires
from manager.box.devices import DeviceReader, DeviceSeen, lacking, see_devices
from manager.box.host import HostMemory, cpu_name, host_memory
from manager.specification import DeviceKind

GIB = 2**30
HOST = DeviceSeen("cpu", DeviceKind.CPU, "a host", 16 * GIB, 9 * GIB)
GPU = DeviceSeen("cuda:0", DeviceKind.CUDA, "a GPU", 24 * GIB, 20 * GIB)


@dataclass(frozen=True)
class FakeMemory:
    total: int
    free: int


@dataclass
class FakeNvml:
    """A driver with some GPUs; `broken` are errors by GPU, `error` is one that every call meets."""

    gpus: list[FakeMemory]
    broken: dict[int, int] = field(default_factory=dict)
    error: int | None = None
    opened: int = 0
    closed: int = 0

    def _meet(self, code: int | None) -> None:
        if code is not None:
            raise pynvml.NVMLError(code)

    def nvmlInit(self) -> None:
        self._meet(self.error)
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.closed += 1
        self._meet(self.error)

    def nvmlDeviceGetCount(self) -> int:
        self._meet(self.error)
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:
        self._meet(self.error)
        return index

    def nvmlDeviceGetName(self, handle: object) -> str:
        return f"GPU {handle}"

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> FakeMemory:
        assert isinstance(handle, int)
        self._meet(self.broken.get(handle))
        return self.gpus[handle]


def reader(nvml: FakeNvml) -> DeviceReader:
    return DeviceReader(nvml, lambda: HostMemory(16 * GIB, 9 * GIB))


def ids(devices: tuple[DeviceSeen, ...]) -> list[str]:
    return [device.id for device in devices]


@pytest.mark.parametrize(
    ("requires", "devices", "words"),
    [
        (Requires(), (HOST,), None),
        (Requires(gpus=1), (GPU, HOST), None),
        (Requires(gpus=1), (HOST,), "needs 1 NVIDIA GPU; this box has none"),
        (Requires(gpus=2), (GPU, HOST), "needs 2 NVIDIA GPUs; this box has 1 (24 GiB)"),
        (Requires(gpus=1, gpu_memory=24 * GIB), (GPU, HOST), None),
        (Requires(gpus=1, gpu_memory=40 * GIB), (GPU, HOST), "with 40 GiB; this box has 1 (24 GiB)"),
        (Requires(memory=14 * GIB), (HOST,), None),
        (Requires(memory=15 * GIB), (HOST,), "needs 15 GiB of host memory; this box has 14 GiB for engines"),
        (Requires(memory=32 * GIB), (), "needs 32 GiB of host memory; this box has 0 B for engines"),
    ],
)
def test_what_a_box_lacks_is_said_in_words(
    requires: Requires, devices: tuple[DeviceSeen, ...], words: str | None
) -> None:
    lacks = lacking(requires, devices, reserve=2 * GIB)
    assert lacks is None if words is None else lacks is not None and words in lacks


def test_gpus_are_seen_first_with_their_names_and_what_is_free() -> None:
    seen = reader(FakeNvml([FakeMemory(24 * GIB, 20 * GIB), FakeMemory(8 * GIB, 8 * GIB)])).see()
    assert seen[:2] == (
        DeviceSeen("cuda:0", DeviceKind.CUDA, "GPU 0", 24 * GIB, 20 * GIB),
        DeviceSeen("cuda:1", DeviceKind.CUDA, "GPU 1", 8 * GIB, 8 * GIB),
    )
    assert (seen[2].id, seen[2].kind, seen[2].total, seen[2].free) == ("cpu", DeviceKind.CPU, 16 * GIB, 9 * GIB)


def test_nvml_stays_open_from_sight_to_sight() -> None:
    nvml = FakeNvml([FakeMemory(GIB, GIB)])
    reading = reader(nvml)
    for _ in range(3):
        reading.see()
    assert (nvml.opened, nvml.closed) == (1, 0)
    reading.close()
    assert nvml.closed == 1


def test_a_box_without_a_driver_has_its_cpu_alone_and_is_asked_again() -> None:
    nvml = FakeNvml([FakeMemory(GIB, GIB)], error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    reading = reader(nvml)
    assert ids(reading.see()) == ["cpu"]
    nvml.error = None
    assert ids(reading.see()) == ["cuda:0", "cpu"]


def test_a_lost_gpu_is_left_out_told_once_and_looked_for_anew(caplog: pytest.LogCaptureFixture) -> None:
    nvml = FakeNvml([FakeMemory(GIB, GIB), FakeMemory(GIB, GIB)], broken={0: pynvml.NVML_ERROR_GPU_IS_LOST})
    reading = reader(nvml)
    for _ in range(3):
        assert ids(reading.see()) == ["cuda:1", "cpu"]
    assert nvml.opened == 3
    assert [record.getMessage() for record in caplog.records] == ["cuda:0 cannot be read: GPU is lost"]
    nvml.broken.clear()
    assert ids(reading.see()) == ["cuda:0", "cuda:1", "cpu"]


def test_a_gpu_that_never_tells_its_memory_does_not_open_nvml_again_and_again() -> None:
    nvml = FakeNvml([FakeMemory(GIB, GIB)], broken={0: pynvml.NVML_ERROR_NOT_SUPPORTED})
    reading = reader(nvml)
    for _ in range(3):
        assert ids(reading.see()) == ["cpu"]
    assert nvml.opened == 1


def test_a_driver_that_is_reloaded_is_found_again() -> None:
    nvml = FakeNvml([FakeMemory(GIB, GIB)])
    reading = reader(nvml)
    reading.see()
    nvml.error = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    assert ids(reading.see()) == ["cpu"]
    assert ids(reading.see()) == ["cpu"]
    nvml.error = None
    assert ids(reading.see()) == ["cuda:0", "cpu"]


def test_this_box_has_a_cpu_with_a_name_and_memory() -> None:
    host = see_devices()[-1]
    assert host.kind is DeviceKind.CPU
    assert host.name
    assert 0 < host.free <= host.total <= psutil.virtual_memory().total


@pytest.fixture
def box(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Writes files below a folder that stands for the root."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write


Box = Callable[[dict[str, str]], Path]
LIMIT = 64 * 2**20  # less than any machine that runs this has
V1, V2 = "sys/fs/cgroup/memory", "sys/fs/cgroup"


def group_1(folder: str, limit: int, usage: int, cached: int = 0) -> dict[str, str]:
    statistics = f"inactive_file 1\ntotal_inactive_file {cached}\ntotal_active_file 0\n"
    files = {"memory.limit_in_bytes": str(limit), "memory.usage_in_bytes": str(usage), "memory.stat": statistics}
    return {f"{V1}{folder}/{name}": text for name, text in files.items()}


def group_2(folder: str, limit: str, usage: int, cached: int = 0) -> dict[str, str]:
    statistics = f"anon 7\nactive_file {cached}\ninactive_file 0\n"
    files = {"memory.max": f"{limit}\n", "memory.current": f"{usage}\n", "memory.stat": statistics}
    return {f"{V2}{folder}/{name}": text for name, text in files.items()}


def test_without_control_groups_the_hosts_memory_counts(tmp_path: Path) -> None:
    assert host_memory(tmp_path).total == psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("membership", "groups"),
    [
        ("0::/\n", group_2("", str(LIMIT), 48 * 2**20, 32 * 2**20)),
        ("0::/a/b\n", group_2("/a/b", "max", 1) | group_2("/a", str(LIMIT), 48 * 2**20, 32 * 2**20)),
        ("0::/../c\n", group_2("", str(LIMIT), 48 * 2**20, 32 * 2**20)),
        ("3:cpu:/x\n2:memory:/a\n0::/\n", group_1("/a", LIMIT, 48 * 2**20, 32 * 2**20)),
        ("2:hugetlb,memory:/docker/1f\n", group_1("", LIMIT, 48 * 2**20, 32 * 2**20)),
    ],
    ids=["its own", "one above", "outside of the namespace", "version 1", "version 1 named by the host"],
)
def test_a_control_groups_limit_counts_where_it_is_smaller(box: Box, membership: str, groups: dict[str, str]) -> None:
    root = box({"proc/self/cgroup": membership, **groups})
    assert host_memory(root) == HostMemory(LIMIT, LIMIT - 16 * 2**20)


@pytest.mark.parametrize(
    ("membership", "groups"),
    [
        ("0::/\n", group_2("", "max", 1)),
        ("0::/\n", {}),
        ("1:memory:/\n", group_1("", 2**63 - 4096, 1)),
    ],
    ids=["no limit", "no figures", "version 1 without a limit"],
)
def test_a_control_group_without_a_limit_changes_nothing(box: Box, membership: str, groups: dict[str, str]) -> None:
    root = box({"proc/self/cgroup": membership, **groups})
    assert host_memory(root).total == psutil.virtual_memory().total


def test_a_control_group_past_its_limit_has_nothing_available(box: Box) -> None:
    root = box({"proc/self/cgroup": "0::/\n", **group_2("", str(LIMIT), LIMIT + 4096)})
    assert host_memory(root) == HostMemory(LIMIT, 0)


def test_the_processor_is_called_as_its_maker_calls_it_or_by_its_architecture(box: Box) -> None:
    assert cpu_name(box({})) != ""
    root = box({"proc/cpuinfo": "processor\t: 0\nmodel name\t: Fast: 3000\n\nprocessor\t: 1\n"})
    assert cpu_name(root) == "Fast: 3000"
