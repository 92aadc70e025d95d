"""What a runtime is asked to run: an engine's specification, frozen, hashed and free of strings that a shell reads."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

# An environment for `EngineSpec`: the one that manager and proxy run in, and with them engines of nothing more.
ROUNDHOUSE_ENVIRONMENT = "roundhouse"


class DeviceKind(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True)
class Placement:
    """Where an engine runs. `memory` and `total` are bytes on each of the devices."""

    kind: DeviceKind
    devices: tuple[str, ...]
    memory: int
    total: int


@dataclass(frozen=True)
class Inside:
    """Folders as the engine sees them."""

    models: str
    hub: str
    cache: str


@dataclass(frozen=True)
class EngineSpec:
    """One engine: image and program, what it is told, what it may use.

    `module` is the Python module that serves. The runtime adds the address to listen on by `host_flag` and
    `port_flag`, since only it knows one. `environment` says whose Python runs it where engines are processes: its own
    (""), or the manager's. An `external` engine is a container that somebody else made.
    """

    model: str
    engine: str
    container: str
    port: int
    image: str = ""
    module: str = ""
    environment: str = ""
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    host_flag: str = "--host"
    port_flag: str = "--port"
    fixed_port: bool = False
    memory_limit: int = 0
    shared_memory: int = 2**30
    pids: int = 1024
    placement: Placement = Placement(DeviceKind.CPU, ("cpu",), 0, 0)
    external: bool = False

    @property
    def hash(self) -> str:
        """The same for the same specification, in every manager that ever runs."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def listening(self, host: str, port: int) -> tuple[str, ...]:
        """The engine's whole argument list when it listens on host and port."""
        return (*self.arguments, self.host_flag, host, self.port_flag, str(port))


@dataclass(frozen=True)
class Found:
    """An engine of this instance that a runtime already has."""

    model: str
    container: str
    spec_hash: str
    running: bool


@dataclass(frozen=True)
class Exit:
    """How an engine ended; `code` is None when nobody saw it."""

    code: int | None
    out_of_memory: bool = False

    def __str__(self) -> str:
        if self.out_of_memory:
            return "the engine was killed: out of host memory"
        return "the engine is gone" if self.code is None else f"the engine exited with status {self.code}"


@dataclass(frozen=True)
class Failure:
    """Why a model is not ready, as its callers are told."""

    code: str
    reason: str
    log_tail: tuple[str, ...] = ()


class EngineError(Exception):
    """Raised where an engine cannot be prepared, started or reached."""

    def __init__(self, code: str, reason: str, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.failure = Failure(code, reason, log_tail)
