"""How engines are hardened, as what the Docker API is asked for."""

import pytest

from manager.runtimes.docker_options import create_options
from manager.specification import DeviceKind, EngineSpec, Placement

GIB = 2**30
SOURCES = {"/models": "/srv/models", "/hub": "roundhouse-hub"}


def options(placement: Placement) -> dict[str, object]:
    spec = EngineSpec(
        model="m",
        engine="vllm",
        container="rh-m",
        port=8000,
        image="image:1",
        module="a.b",
        arguments=("--x",),
        memory_limit=8 * GIB,
        placement=placement,
    )
    return create_options(spec, "rh", SOURCES)


CPU = options(Placement(DeviceKind.CPU, ("cpu",), GIB, GIB))
GPU = options(Placement(DeviceKind.CUDA, ("cuda:1",), GIB, GIB))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("read_only", True),
        ("cap_drop", ["ALL"]),
        ("security_opt", ["no-new-privileges"]),
        ("user", "1000:1000"),
        ("restart_policy", {"Name": "no"}),
        ("network", "rh-m-net"),
        ("pids_limit", 1024),
        ("mem_limit", 8 * GIB),
        ("shm_size", GIB),
    ],
)
def test_an_engine_is_given_no_more_than_it_needs(option: str, value: object) -> None:
    assert CPU[option] == value


def test_weights_are_mounted_read_only_and_only_the_cache_can_be_written() -> None:
    mounts = CPU["mounts"]
    assert isinstance(mounts, list)
    assert [(mount["Target"], mount["Type"], mount["ReadOnly"]) for mount in mounts] == [
        ("/models", "bind", True),
        ("/hub", "volume", True),
        ("/var/tmp", "volume", False),
    ]


def test_nothing_opens_the_host() -> None:
    assert not {"privileged", "network_mode", "pid_mode", "ipc_mode", "ports", "cap_add", "devices"} & set(CPU)
    assert "docker.sock" not in str(CPU)


def test_the_command_is_a_list_that_no_shell_reads() -> None:
    assert CPU["entrypoint"] == ["python3", "-m", "a.b"]
    assert CPU["command"] == ["--x", "--host", "0.0.0.0", "--port", "8000"]


def test_labels_hold_what_the_manager_must_remember() -> None:
    labels = CPU["labels"]
    assert isinstance(labels, dict)
    assert labels["roundhouse.instance"] == "rh"
    assert labels["roundhouse.model"] == "m"
    assert len(labels["roundhouse.specification"]) == 16


def test_only_a_gpu_engine_gets_gpus_and_only_its_own() -> None:
    assert CPU["device_requests"] is None
    requests = GPU["device_requests"]
    assert isinstance(requests, list)
    assert requests[0]["DeviceIDs"] == ["1"]
