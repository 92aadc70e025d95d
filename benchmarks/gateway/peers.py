"""The proxies that others use, each as its makers start it, with as little to do as it can be told.

None of them checks a key or writes an access log here, and their own logs are quiet: whatever that saves is theirs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gateway.configurations import litellm, nginx_reverse_proxy
from benchmarks.gateway.processes import ROOT, free_port

PEERS = ROOT / ".engines" / "peers"


@dataclass(frozen=True)
class Place:
    """Where a peer is to run: its port, its engine's address, a folder for its files, and the key to ask for."""

    port: int
    engine: str
    folder: Path
    key: str


@dataclass(frozen=True)
class Peer:
    """One proxy.

    requirement: what uv installs into an environment of its own, or None where the system's package manager did
    unpinned: dependencies of which any version will do
    is_on_both: it may use both cores; otherwise one, like ours
    is_slow: too slow for a thousand streams
    """

    name: str
    title: str
    command: Callable[[Place], list[str]]
    requirement: str | None = None
    unpinned: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    is_on_both: bool = False
    is_slow: bool = False

    @property
    def home(self) -> Path:
        return PEERS / self.name


def _program(name: str) -> str:
    return str(PEERS / name / "bin" / name)


def _vllm_router(place: Place) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(place.port), "--prometheus-port", str(free_port())]
    what = ["--worker-urls", place.engine, "--policy", "round_robin", "--log-level", "error"]
    return [_program("vllm-router"), *where, *what]


def _smg(place: Place) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(place.port)]
    where += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port())]
    what = ["--worker-urls", place.engine, "--backend", "vllm", "--policy", "round_robin", "--log-level", "error"]
    return [_program("smg"), "launch", *where, *what]


def _litellm(place: Place) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(place.port), "--num_workers", "1"]
    return [_program("litellm"), "--config", str(litellm(place.folder, place.engine, place.key)), *where]


def _nginx(place: Place) -> list[str]:
    return nginx_command(nginx_reverse_proxy(place.folder, place.port, place.engine))


def nginx_command(configuration: Path) -> list[str]:
    return ["nginx", "-e", str(configuration.with_suffix(".errors")), "-c", str(configuration)]


CATALOGUE = (
    Peer("vllm-router", "vllm-router 0.1.17 (Rust)", _vllm_router, "vllm-router==0.1.17", is_on_both=True),
    Peer("smg", "smg 1.13.0 (Rust)", _smg, "smg==1.13.0", is_on_both=True),
    Peer("nginx", "nginx as a reverse proxy", _nginx),
    Peer(
        "litellm",
        "LiteLLM 1.109.1",
        _litellm,
        "litellm[proxy]==1.109.1",
        unpinned=("certifi", "litellm-proxy-extras"),  # it asks for versions of the very day, which mirrors lack
        environment={"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"},
        is_slow=True,
    ),
)
