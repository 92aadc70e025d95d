"""Fetching weights with the hub's own client from a hub on loopback."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.catalogue import ModelEntry
from manager.hub import Hub
from manager.settings import ManagerSettings, fetch_environment
from manager.specification import EngineError, Inside
from manager.weights import WeightsStore
from tests.fakes.hub import COMMIT, REPOSITORY, FakeHub, fake_hub

pytestmark = pytest.mark.anyio

FILES = {
    "model.safetensors": bytes(range(256)) * 4096,
    "config.json": b"{}",
    "pytorch_model.bin": b"a pickle",
    "modeling_tiny.py": b"print('code')",
}
PIPELINE = {
    "model_index.json": json.dumps(
        {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": [None, None]}
    ).encode(),
    "whole.safetensors": b"the same again",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": b"weights",
    "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
    "unet/diffusion_pytorch_model.bin": b"a pickle",
    "vae/diffusion_pytorch_model.safetensors": b"not named",
}


@pytest.fixture
def served() -> Iterator[FakeHub]:
    with fake_hub(dict(FILES)) as hub:
        yield hub


def hub_in(folder: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch, *, offline: bool = False) -> Hub:
    monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    return Hub(folder, fetch_environment(ManagerSettings()), offline=offline)


async def fetch(hub: Hub, repository: str = REPOSITORY) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    await hub.fetch(repository, "main", lambda here, total: told.append((here, total)))
    return told


async def test_weights_arrive_in_the_hubs_cache_layout_and_code_and_pickles_do_not(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await fetch(hub_in(tmp_path, served, monkeypatch))
    total = len(FILES["model.safetensors"]) + len(FILES["config.json"])
    assert told[-1] == (total, total)
    store = WeightsStore(tmp_path / "models", tmp_path, Inside("/models", "/hub", "/cache"))
    weights = store.verified(ModelEntry.model_validate({"type": "text", "source": REPOSITORY}))
    assert weights.path == f"/hub/hub/models--org--tiny/snapshots/{COMMIT}"
    names = {file.name for file in (tmp_path / "hub/models--org--tiny/snapshots" / COMMIT).iterdir()}
    assert names == {"model.safetensors", "config.json"}
    assert "Bearer hf_canary" in served.tokens


async def test_a_fetch_that_was_cut_goes_on_where_it_stopped(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.files["model.safetensors"] = bytes(24 * 2**20)  # the client writes in pieces of 10 MB
    served.cuts, served.cut_after = 1, 12 * 2**20
    told = await fetch(hub_in(tmp_path, served, monkeypatch))
    assert told[-1][0] == 24 * 2**20 + 2
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in served.ranges if asked]
    assert starts
    assert min(starts) >= 10**7


async def test_a_hub_that_is_lost_for_good_says_so_and_what_is_here_is_kept(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.cuts, served.cut_after = 100, 1000
    with pytest.raises(EngineError, match="what is here is kept") as lost:
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert lost.value.failure.code == "hub_unreachable"


async def test_a_fetch_that_failed_between_two_files_is_gone_on_with_and_not_taken_for_weights(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.cuts, served.cut_after = 100, 1000  # the configuration is shorter, and arrives
    hub = hub_in(tmp_path, served, monkeypatch)
    store = WeightsStore(tmp_path / "models", tmp_path, Inside("/models", "/hub", "/cache"))
    model = ModelEntry.model_validate({"type": "text", "source": REPOSITORY})
    with pytest.raises(EngineError, match="what is here is kept"):
        await fetch(hub)
    assert (tmp_path / "hub/models--org--tiny/snapshots" / COMMIT / "config.json").is_file()
    assert store.find(model) is None
    served.cuts = 0
    await fetch(hub)
    assert store.verified(model).size == len(FILES["model.safetensors"])


async def test_of_a_pipeline_only_what_its_components_load_arrives(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.files = dict(PIPELINE)
    told = await fetch(hub_in(tmp_path, served, monkeypatch))
    snapshot = tmp_path / "hub/models--org--tiny/snapshots" / COMMIT
    names = {file.relative_to(snapshot).as_posix() for file in snapshot.rglob("*") if file.is_file()}
    wanted = {"model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"}
    assert names == wanted
    assert told[-1] == (sum(len(PIPELINE[name]) for name in wanted),) * 2
    store = WeightsStore(tmp_path / "models", tmp_path, Inside("/models", "/hub", "/cache"))
    assert store.verified(ModelEntry.model_validate({"type": "image", "source": REPOSITORY})).size == len(b"weights")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"unet/diffusion_pytorch_model.safetensors": None}, "fp16 alone"),
        ({"model_index.json": b'{"_class_name": "X", "unet": ["my_pipeline", "X"]}'}, "never run"),
    ],
)
async def test_a_pipeline_that_could_not_be_served_is_refused_before_its_weights_are_fetched(
    tmp_path: Path,
    served: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, bytes | None],
    says: str,
) -> None:
    served.files = {name: data for name, data in {**PIPELINE, **changes}.items() if data is not None}
    with pytest.raises(EngineError, match=says) as refused:
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert refused.value.failure.code == "weights_refused"
    assert len(served.ranges) == 1  # the index
    assert not (tmp_path / "hub" / "models--org--tiny").exists()


async def test_a_repository_without_safetensors_is_refused_before_a_byte_is_fetched(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    del served.files["model.safetensors"]
    with pytest.raises(EngineError) as refused:
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert refused.value.failure.code == "weights_refused"
    assert served.ranges == []


async def test_an_unknown_repository_says_what_to_check(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="check `source`"):
        await fetch(hub_in(tmp_path, served, monkeypatch), "org/nope")


async def test_offline_nothing_is_asked_of_the_hub(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="HF_HUB_OFFLINE"):
        await fetch(hub_in(tmp_path, served, monkeypatch, offline=True))
    assert served.tokens == set()


async def test_a_fetch_that_nobody_wants_any_more_is_ended(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetching = asyncio.create_task(fetch(hub_in(tmp_path, served, monkeypatch)))
    await asyncio.sleep(0)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
