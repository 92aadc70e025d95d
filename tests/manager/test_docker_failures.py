"""What the Docker Engine says, and what people are told to do about it."""

import pytest

from manager.runtimes.docker_failures import failure_of
from manager.runtimes.strays import Strays


@pytest.mark.parametrize(
    ("said", "code", "advice"),
    [
        ("No such image: roundhouse-vllm:1", "image_missing", "setup.sh"),
        ("Error starting userland proxy: listen tcp4 0.0.0.0:8001: bind: address already in use", "port_taken", "port"),
        ("Bind for 0.0.0.0:8001 failed: port is already allocated", "port_taken", "port"),
        ('could not select device driver "nvidia" with capabilities: [[gpu]]', "gpu_runtime_missing", "Toolkit"),
        ("nvidia-container-cli: device error: 7: unknown device: unknown", "device_missing", "nvidia-smi"),
        ("nvidia-container-cli: initialization error: nvml error: driver not loaded", "device_missing", "nvidia-smi"),
        ("unresolvable CDI devices nvidia.com/gpu=7", "device_missing", "nvidia-smi"),
        ('invalid mount config for type "bind": bind source path does not exist: /x', "mount_missing", "make the"),
        ("could not find an available, non-overlapping IPv4 address pool", "networks_exhausted", "prune"),
        ("write /var/lib/docker/tmp/x: no space left on device", "disk_full", "free some"),
        ("('Connection aborted.', PermissionError(13, 'Permission denied'))", "docker_failed", "group"),
        ("('Connection aborted.', FileNotFoundError(2, 'No such file'))", "docker_failed", "start the Docker"),
        ("UnixHTTPConnectionPool(host='localhost'): Read timed out.", "docker_failed", "hangs"),
    ],
)
def test_each_known_fault_has_a_code_and_a_next_step(said: str, code: str, advice: str) -> None:
    failure = failure_of(said).failure
    assert failure.code == code
    assert said in failure.reason
    assert advice in failure.reason


def test_an_unknown_fault_is_told_in_the_daemons_own_words() -> None:
    assert failure_of("it fell").failure.reason == "Docker: it fell"


def test_what_was_unwanted_for_a_minute_without_a_break_is_ripe() -> None:
    strays = Strays()
    assert strays.ripe(["a", "b"], 0) == frozenset()
    assert strays.ripe(["a"], 30) == frozenset()
    assert strays.ripe(["a", "b"], 60) == {"a"}
    assert strays.ripe(["b"], 119) == frozenset()
    assert strays.ripe(["b"], 120) == {"b"}
