"""Specification -> what the Docker API is asked to create. Pure, and the place where engines are hardened."""

from collections.abc import Mapping
from typing import Any

from manager.specification import DeviceKind, EngineSpec, Inside

LABEL_INSTANCE = "roundhouse.instance"
LABEL_MODEL = "roundhouse.model"
LABEL_CONTAINER = "roundhouse.container"  # the name it was given: whatever others call it, this is which engine it is
LABEL_SPEC = "roundhouse.specification"
LABEL_ROLE = "roundhouse.role"
ENGINE_ROLE = "engine"
ENGINE_USER = "1000:1000"
SCRATCH = "/tmp"  # noqa: S108  a tmpfs of the container's own
# The one folder that every image has writable for all: an empty volume takes over its mode.
INSIDE = Inside(models="/models", hub="/hub", cache="/var/tmp")  # noqa: S108


def network_name(container: str) -> str:
    """Each engine has a network of its own."""
    return f"{container}-net"


def network_labels(container: str, instance: str) -> dict[str, str]:
    return {LABEL_INSTANCE: instance, LABEL_CONTAINER: container, LABEL_ROLE: ENGINE_ROLE}


def labels_of(spec: EngineSpec, instance: str) -> dict[str, str]:
    """Containers' labels are the manager's memory."""
    return {
        LABEL_INSTANCE: instance,
        LABEL_MODEL: spec.model,
        LABEL_CONTAINER: spec.container,
        LABEL_SPEC: spec.hash,
        LABEL_ROLE: ENGINE_ROLE,
    }


def create_options(spec: EngineSpec, instance: str, sources: Mapping[str, str]) -> dict[str, Any]:
    """Keyword arguments of the SDK's `containers.create`. `sources`: folder inside -> host path or volume name."""
    return {
        "name": spec.container,
        "entrypoint": ["python3", "-m", spec.module],
        "command": list(spec.listening("0.0.0.0", spec.port)),
        "environment": {"HOME": SCRATCH, **spec.env},
        "labels": labels_of(spec, instance),
        "network": network_name(spec.container),
        # The daemon's resolver asks such servers from within the engine's own network, where nobody listens, and not
        # the host's servers, which it would ask on an engine's behalf even where the network is internal.
        "dns": ["127.0.0.1"],
        "mounts": _mounts(spec, sources),
        "device_requests": _device_requests(spec),
        "shm_size": spec.shared_memory,
        "init": True,
        "restart_policy": {"Name": "no"},
        "log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}},
        **_bounds(spec),
    }


def _bounds(spec: EngineSpec) -> dict[str, Any]:
    return {
        "user": ENGINE_USER,
        "read_only": True,
        "tmpfs": {SCRATCH: "rw,exec,nosuid,size=2g"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": spec.pids,
        "mem_limit": spec.memory_limit,
    }


def _mounts(spec: EngineSpec, sources: Mapping[str, str]) -> list[dict[str, Any]]:
    weights = [_mount(target, source, read_only=True) for target, source in sources.items()]
    return [*weights, _mount(INSIDE.cache, f"{spec.container}-cache", read_only=False)]


def _mount(target: str, source: str, *, read_only: bool) -> dict[str, Any]:
    kind = "bind" if source.startswith("/") else "volume"
    return {"Target": target, "Source": source, "Type": kind, "ReadOnly": read_only}


def _device_requests(spec: EngineSpec) -> list[dict[str, Any]] | None:
    if spec.placement.kind is not DeviceKind.CUDA:
        return None
    ids = [device.removeprefix("cuda:") for device in spec.placement.devices]
    return [{"Driver": "nvidia", "Count": 0, "DeviceIDs": ids, "Capabilities": [["gpu"]], "Options": {}}]
