"""What of a repository is fetched, and that it is what the hub says."""

import hashlib
from pathlib import Path

import pytest

from manager.specification import EngineError
from tests.fakes.hub import COMMIT, FakeHub
from tests.manager.hub_kit import FILES, PIPELINE, entry, fetch, hub_in, quiet, store_in

pytestmark = pytest.mark.anyio


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
    store = store_in(tmp_path)
    assert store.verified(entry("image")).size == len(b"weights")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("config.json", b'{"auto_map": {"AutoModel": "modeling_tiny.Tiny"}}', "config.json of org/tiny asks for code"),
        ("tokenizer_config.json", b'{"auto_map": {}}', "asks for code"),
        ("config.json", b"{not json", "config.json of org/tiny is not valid JSON"),
    ],
)
async def test_a_model_that_asks_for_code_is_refused_before_its_weights_are_fetched(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch, name: str, text: bytes, says: str
) -> None:
    served.files[name] = text
    with pytest.raises(EngineError, match=says) as refused:
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert refused.value.failure.code == "weights_refused"
    assert not any("model.safetensors" in path for path in served.requests)


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


@pytest.mark.parametrize(
    ("changes", "fetched"),
    [
        ({}, {"unet/diffusion_pytorch_model.fp16.safetensors"}),
        ({"unet/diffusion_pytorch_model.fp16.safetensors": None}, {"unet/diffusion_pytorch_model.safetensors"}),
        ({"unet/diffusion_pytorch_model.safetensors": None}, {"unet/diffusion_pytorch_model.fp16.safetensors"}),
    ],
)
async def test_a_pipeline_that_is_computed_in_float16_is_fetched_in_fp16_where_it_can_be(
    tmp_path: Path,
    served: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, bytes | None],
    fetched: set[str],
) -> None:
    served.files = {name: data for name, data in {**PIPELINE, **changes}.items() if data is not None}
    model = entry("image", args={"dtype": "float16"})
    await fetch(hub_in(tmp_path, served, monkeypatch), half=True)
    snapshot = tmp_path / "hub/models--org--tiny/snapshots" / COMMIT
    assert {file.relative_to(snapshot).as_posix() for file in snapshot.rglob("*.safetensors")} == fetched
    store_in(tmp_path).verify(model, quiet)


async def test_weights_in_fp16_are_not_all_that_an_entry_needs_which_computes_in_something_else(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.files = dict(PIPELINE)
    hub, store = hub_in(tmp_path, served, monkeypatch), store_in(tmp_path)
    await fetch(hub, half=True)
    assert store.find(entry("image", args={"dtype": "float16"})) is not None
    assert store.find(entry("image")) is None
    await fetch(hub)
    store.verify(entry("image"), quiet)
    store.verify(entry("image", args={"dtype": "float16"}), quiet)


async def test_what_arrived_damaged_is_fetched_again(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.damage["model.safetensors"] = [bytes(len(FILES["model.safetensors"]))]
    await fetch(hub_in(tmp_path, served, monkeypatch))
    store_in(tmp_path).verify(entry(), quiet)


async def test_a_flipped_bit_is_refused_before_the_first_start_and_fetched_again_where_the_file_is_deleted(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, store = hub_in(tmp_path, served, monkeypatch), store_in(tmp_path)
    await fetch(hub)
    blob = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    file = tmp_path / "hub/models--org--tiny/blobs" / blob
    with file.open("r+b") as stream:
        stream.seek(2**20 // 2)
        stream.write(b"\x01")
    for _ in range(2):
        with pytest.raises(EngineError, match=f"Delete models--org--tiny/blobs/{blob} in the hub cache") as refused:
            store.verify(entry(), quiet)
        assert refused.value.failure.code == "weights_changed"
    file.unlink()
    assert store.find(entry()) is None
    await fetch(hub)
    store.verify(entry(), quiet)


async def test_a_small_file_is_verified_by_the_hash_that_git_gives_it(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fetch(hub_in(tmp_path, served, monkeypatch))
    (tmp_path / "hub/models--org--tiny/snapshots" / COMMIT / "config.json").write_text("[]")
    with pytest.raises(EngineError, match=r"config\.json of org/tiny is damaged"):
        store_in(tmp_path).verify(entry(), quiet)


async def test_a_file_that_somebody_put_beside_what_was_fetched_is_refused(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fetch(hub_in(tmp_path, served, monkeypatch))
    (tmp_path / "hub/models--org--tiny/snapshots" / COMMIT / "more.safetensors").write_text("1")
    with pytest.raises(EngineError, match=r"more\.safetensors of org/tiny is new"):
        store_in(tmp_path).verify(entry(), quiet)
