"""What every engine that there is would be given, on every device: the same bounds, and nothing of the manager's."""

import pytest

from contract.catalogue import ModelEntry
from manager.engines import ENGINES
from manager.engines.kind import Order, Weights
from manager.runtimes.docker_options import INSIDE, create_options
from manager.settings import ManagerSettings, engine_environment, fetch_environment
from manager.specification import DeviceKind, EngineSpec, Placement

GIB = 2**30
TYPES = {"diffusers": "image", "mock": "text", "vllm": "text", "vllm_pooling": "embedding"}
PLACES = {"cpu": ("cpu",), "GPU": ("cuda:0",), "GPUs": ("cuda:0", "cuda:1")}
SECRET = "a-canary-that-no-engine-may-see"
# All that may ever be asked of Docker for an engine. Another key is another way out until somebody has thought of it.
OPTIONS = {
    *("name", "entrypoint", "command", "environment", "labels", "network", "dns", "mounts", "device_requests"),
    *("shm_size", "init", "restart_policy", "log_config"),
    *("user", "read_only", "tmpfs", "cap_drop", "security_opt", "pids_limit", "mem_limit"),
}
# Arguments that would run a model's own code, open the engine to others, or let it fetch.
NEVER_TOLD = {"--trust-remote-code", "--api-key", "--allowed-local-media-path", "--download-dir", "--ssl-keyfile"}


def spec_of(engine: str, place: tuple[str, ...]) -> EngineSpec:
    kind = DeviceKind.CPU if place == ("cpu",) else DeviceKind.CUDA
    source = {} if engine == "mock" else {"source": "owner/m"}
    entry = ModelEntry.model_validate({"type": TYPES[engine], "engine": engine, **source})
    placement = Placement(kind, place, 8 * GIB, 24 * GIB)
    return ENGINES[engine].specify(Order("m", entry, "rh-m", Weights("/hub/m", GIB), placement, INSIDE))


def test_every_engine_is_looked_at() -> None:
    assert TYPES.keys() == ENGINES.keys()


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("engine", sorted(TYPES))
def test_every_engine_has_the_same_bounds_on_every_device(engine: str, place: tuple[str, ...]) -> None:
    options = create_options(spec_of(engine, place), "rh", {"/models": "/srv/models", "/hub": "hub"})
    assert set(options) == OPTIONS
    assert options["user"] == "1000:1000"
    assert (options["read_only"], options["cap_drop"], options["security_opt"]) == (
        True,
        ["ALL"],
        ["no-new-privileges"],
    )
    assert options["network"] == "rh-m-net"
    assert options["dns"] == ["127.0.0.1"]
    assert 0 < options["pids_limit"] <= 1024
    assert GIB <= options["mem_limit"] <= 64 * GIB
    assert [mount["Target"] for mount in options["mounts"] if not mount["ReadOnly"]] == ["/var/tmp"]
    assert bool(options["device_requests"]) == (place != ("cpu",))
    assert not NEVER_TOLD & set(options["command"])


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("engine", sorted(TYPES))
def test_no_secret_of_the_manager_reaches_any_engine(
    engine: str, place: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "ROUNDHOUSE_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, SECRET)
    assert SECRET in fetch_environment(ManagerSettings()).values(), "the program that fetches is given the token"
    assert SECRET not in str(create_options(spec_of(engine, place), "rh", {}))
    assert SECRET not in str(engine_environment())


@pytest.mark.parametrize("engine", sorted(set(TYPES) - {"mock"}))
def test_every_engine_of_weights_is_offline(engine: str) -> None:
    assert spec_of(engine, ("cpu",)).env["HF_HUB_OFFLINE"] == "1"
