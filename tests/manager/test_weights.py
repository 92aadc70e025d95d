import hashlib
import json
import os
import struct
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from contract.catalogue import ModelEntry
from manager.specification import EngineError, Inside
from manager.weights.cache_layout import unfinished_mark
from manager.weights.store import WeightsStore


@pytest.fixture
def store(tmp_path: Path) -> WeightsStore:
    inside = Inside("/models", "/hub", "/cache")
    return WeightsStore(tmp_path / "models", tmp_path / "hub", inside, tmp_path / "manifests")


def entry(source: str, revision: str | None = None, **fields: object) -> ModelEntry:
    return ModelEntry.model_validate({"type": "text", "source": source, "revision": revision, **fields})


def fill(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, text in {"model.safetensors": "12345", "config.json": "{}", **files}.items():
        (folder / name).write_text(text)


def refusal(store: WeightsStore, model: ModelEntry) -> EngineError:
    with pytest.raises(EngineError) as refused:
        store.verified(model)
    return refused.value


def test_a_local_model_is_found_where_the_engine_will_see_it(store: WeightsStore) -> None:
    fill(store.models_dir / "m")
    weights = store.verified(entry("./m"))
    assert (weights.path, weights.size) == ("/models/m", 5)


def test_a_hub_model_is_found_in_the_hubs_own_cache_layout(store: WeightsStore) -> None:
    repository = store.hub_cache / "models--org--m"
    fill(repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    assert store.verified(entry("org/m")).path == "/hub/models--org--m/snapshots/abc"
    assert store.verified(entry("org/m", "abc")).path == "/hub/models--org--m/snapshots/abc"


def test_weights_that_are_not_here_are_told_with_what_to_do(store: WeightsStore) -> None:
    error = refusal(store, entry("./m"))
    assert error.failure.code == "weights_missing"
    assert "setup.sh" in error.failure.reason


@pytest.mark.parametrize("name", ["modeling_x.py", "pytorch_model.bin", "weights.pt", "data.pkl"])
def test_a_model_that_brings_code_or_pickles_is_refused(store: WeightsStore, name: str) -> None:
    fill(store.models_dir / "m", **{name: ""})
    assert refusal(store, entry("./m")).failure.code == "weights_refused"


@pytest.mark.parametrize("config", [json.dumps({"auto_map": {"AutoModel": "x.Y"}}), "{not json"])
def test_a_configuration_that_asks_for_code_or_cannot_be_read_is_refused(store: WeightsStore, config: str) -> None:
    fill(store.models_dir / "m", **{"config.json": config})
    assert refusal(store, entry("./m")).failure.code == "weights_refused"


def test_a_folder_without_safetensors_is_refused(store: WeightsStore) -> None:
    fill(store.models_dir / "m")
    (store.models_dir / "m" / "model.safetensors").unlink()
    assert "no safetensors" in refusal(store, entry("./m")).failure.reason


PIPELINE = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}


def fill_pipeline(folder: Path, **files: str) -> None:
    """A pipeline with one component, whose weights have 5 bytes; names with `/` lie in their folders."""
    given = {"model_index.json": json.dumps(PIPELINE), "unet/diffusion_pytorch_model.safetensors": "12345", **files}
    for name, text in given.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_the_size_of_a_pipeline_is_that_of_the_weights_that_its_components_load(store: WeightsStore) -> None:
    others = ("unet/diffusion_pytorch_model.fp16.safetensors", "vae_old/model.safetensors", "whole.safetensors")
    fill_pipeline(store.models_dir / "m", **dict.fromkeys(others, "123"))
    assert store.verified(entry("./m")).size == 5


def test_a_pipeline_with_weights_in_fp16_alone_is_served(store: WeightsStore) -> None:
    fill_pipeline(store.models_dir / "m", **{"unet/diffusion_pytorch_model.fp16.safetensors": "123"})
    (store.models_dir / "m/unet/diffusion_pytorch_model.safetensors").unlink()
    assert store.verified(entry("./m")).size == 3


def test_a_pipeline_with_null_components_and_pickles_beside_safetensors_is_served(store: WeightsStore) -> None:
    index = json.dumps({**PIPELINE, "safety_checker": [None, None]})
    pickled = {"unet/diffusion_pytorch_model.bin": "", "unet/diffusion_flax_model.msgpack": ""}
    fill_pipeline(store.models_dir / "m", **{"model_index.json": index, **pickled})
    assert store.verified(entry("./m")).size == 5


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("unet/unet.py", "", "holds unet/unet.py"),
        ("pipeline.py", "", "holds pipeline.py"),
        ("elsewhere/deep/x.py", "", "holds elsewhere/deep/x.py"),
        ("unet/weights.pt", "", "holds unet/weights.pt"),
        ("model.ckpt", "", "holds model.ckpt"),
        ("unet/config.json", '{"auto_map": {"AutoModel": "x.Y"}}', "unet/config.json of m asks for code"),
        ("unet/processor_config.json", '{"auto_map": {}}', "unet/processor_config.json of m asks for code"),
        ("unet/config.json", "{not json", "not valid JSON"),
        ("model_index.json", '{"_class_name": ["my_pipeline", "X"]}', "never run"),
        ("model_index.json", '{"_class_name": "X", "unet": ["my_pipeline", "X"]}', "never run"),
        ("model_index.json", '{"_class_name": "X", "vae": ["diffusers", "X"]}', "no component of m has safetensors"),
    ],
)
def test_a_pipeline_that_brings_code_or_pickles_is_refused(
    store: WeightsStore, name: str, text: str, says: str
) -> None:
    fill_pipeline(store.models_dir / "m", **{name: text})
    error = refusal(store, entry("./m"))
    assert error.failure.code == "weights_refused"
    assert says in error.failure.reason


def test_a_component_with_pickles_alone_is_refused(store: WeightsStore) -> None:
    index = json.dumps({**PIPELINE, "vae": ["diffusers", "AutoencoderKL"]})
    fill_pipeline(store.models_dir / "m", **{"model_index.json": index, "vae/diffusion_pytorch_model.bin": ""})
    assert "vae/diffusion_pytorch_model.bin" in refusal(store, entry("./m")).failure.reason


def test_the_size_of_a_pipeline_that_is_refused_is_unknown_and_no_error(store: WeightsStore) -> None:
    fill_pipeline(store.models_dir / "m", **{"model_index.json": "{not json"})
    assert store.size_of(entry("./m")) == 0


def test_a_hub_model_whose_fetch_is_not_finished_is_not_here(store: WeightsStore) -> None:
    repository = store.hub_cache / "models--org--m"
    fill(repository / "snapshots" / "abc")
    mark = unfinished_mark(repository, "abc")
    mark.touch()
    assert store.find(entry("org/m", "abc")) is None
    mark.unlink()
    assert store.find(entry("org/m", "abc")) is not None


def test_a_revision_that_leads_out_of_the_cache_is_not_followed(store: WeightsStore) -> None:
    (store.hub_cache / "models--org--m" / "snapshots" / "v1").mkdir(parents=True)
    fill(store.hub_cache / "elsewhere")
    assert store.find(entry("org/m", "v1/../../../elsewhere")) is None


def read_by(store: WeightsStore, model: ModelEntry) -> list[tuple[int, int]]:
    """What a verification reports: bytes read, and to be read in all."""
    told: list[tuple[int, int]] = []
    store.verify(model, lambda done, total: told.append((done, total)))
    return told


def unverified(store: WeightsStore, model: ModelEntry) -> EngineError:
    with pytest.raises(EngineError) as refused:
        store.verify(model, lambda done, total: None)
    return refused.value


def test_the_second_start_of_a_model_reads_nothing(store: WeightsStore) -> None:
    fill(store.models_dir / "m")
    assert read_by(store, entry("./m"))[-1] == (7, 7)
    assert read_by(store, entry("./m")) == []


def test_a_file_that_was_written_anew_with_the_same_content_is_read_once_more(store: WeightsStore) -> None:
    fill(store.models_dir / "m")
    read_by(store, entry("./m"))
    os.utime(store.models_dir / "m/model.safetensors", ns=(1, 1))
    assert read_by(store, entry("./m"))[-1] == (5, 5)
    assert read_by(store, entry("./m")) == []


def test_a_local_model_that_changed_since_its_first_start_is_refused_until_that_is_meant(store: WeightsStore) -> None:
    fill(store.models_dir / "m")
    read_by(store, entry("./m"))
    (store.models_dir / "m/model.safetensors").write_text("12346")
    error = unverified(store, entry("./m"))
    assert error.failure.code == "weights_changed"
    assert "model.safetensors of ./m is changed" in error.failure.reason
    meant = error.failure.reason.partition('"digest": "')[2].partition('"')[0]
    read_by(store, entry("./m", digest=meant))
    assert read_by(store, entry("./m")) == []


@pytest.mark.parametrize(("name", "gone"), [("more.safetensors", False), ("config.json", True)])
def test_a_local_model_with_a_file_more_or_less_is_refused(store: WeightsStore, name: str, gone: bool) -> None:
    fill(store.models_dir / "m")
    read_by(store, entry("./m"))
    file = store.models_dir / "m" / name
    if gone:
        file.unlink()
    else:
        file.write_text("1")
    error = unverified(store, entry("./m"))
    assert f"{name} of ./m is {'gone' if gone else 'new'}" in error.failure.reason
    assert refusal(store, entry("./m")).failure.code == "weights_changed"


def test_code_that_is_put_beside_verified_weights_is_refused(store: WeightsStore) -> None:
    fill(store.models_dir / "m")
    read_by(store, entry("./m"))
    (store.models_dir / "m/modeling.py").write_text("")
    assert "modeling.py" in unverified(store, entry("./m")).failure.reason
    assert unverified(store, entry("./m")).failure.code == "weights_refused"


def test_what_no_engine_reads_may_come_and_go(store: WeightsStore) -> None:
    fill(store.models_dir / "m", **{"README.md": "1"})
    read_by(store, entry("./m"))
    (store.models_dir / "m/README.md").write_text("2")
    (store.models_dir / "m/picture.png").write_text("3")
    assert read_by(store, entry("./m")) == []


def test_a_look_at_the_files_tells_a_truncated_one_without_reading(store: WeightsStore) -> None:
    fill(store.models_dir / "m")
    assert store.verified(entry("./m")).size == 5
    read_by(store, entry("./m"))
    (store.models_dir / "m/model.safetensors").write_text("1234")
    assert "model.safetensors" in refusal(store, entry("./m")).failure.reason


def test_an_entry_that_pins_a_digest_is_served_those_weights_alone(store: WeightsStore) -> None:
    fill(store.models_dir / "m")
    pinned = "sha256:" + "0" * 64
    error = unverified(store, entry("./m", digest=pinned))
    assert error.failure.code == "weights_mismatch"
    found = next(word for word in error.failure.reason.split() if word.startswith("sha256:")).rstrip(",")
    assert pinned in error.failure.reason
    read_by(store, entry("./m", digest=found))
    assert store.verified(entry("./m", digest=found)).size == 5
    assert refusal(store, entry("./m", digest=pinned)).failure.code == "weights_mismatch"


def test_the_digest_is_the_same_wherever_the_weights_lie(store: WeightsStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    fill(store.models_dir / "m")
    fill(store.models_dir / "n")
    read_by(store, entry("./m"))
    read_by(store, entry("./n"))
    first, second = (record.getMessage().rpartition(" ")[2] for record in caplog.records)
    assert first == second
    assert first.startswith("sha256:")


def test_a_manifest_that_cannot_be_written_or_read_costs_another_look_and_nothing_more(store: WeightsStore) -> None:
    fill(store.models_dir / "m")
    store.manifests.folder.write_text("no folder")
    assert read_by(store, entry("./m"))
    store.manifests.folder.unlink()
    read_by(store, entry("./m"))
    store.manifests.where("local+m").write_text("{broken")
    assert read_by(store, entry("./m"))
    assert read_by(store, entry("./m")) == []


def test_a_verification_that_nobody_waits_for_any_more_can_be_ended(store: WeightsStore) -> None:
    fill(store.models_dir / "m")

    def end(done: int, total: int) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        store.verify(entry("./m"), end)


def put_into_cache(store: WeightsStore, content: bytes, *, name: str = "model.safetensors") -> Path:
    """A file in a cache that another program filled: linked from a blob that is named by its hash."""
    repository = store.hub_cache / "models--org--m"
    blob = repository / "blobs" / hashlib.sha256(content).hexdigest()
    link = repository / "snapshots" / "abc" / name
    for place in (blob, link):
        place.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(f"../../blobs/{blob.name}")
    return blob


def test_what_another_program_fetched_is_verified_by_the_names_of_its_blobs(store: WeightsStore) -> None:
    blob = put_into_cache(store, b"12345")
    read_by(store, entry("org/m", "abc"))
    blob.write_bytes(b"12346")
    error = unverified(store, entry("org/m", "abc"))
    assert f"Delete models--org--m/blobs/{blob.name}" in error.failure.reason


def test_what_another_program_fetched_and_was_damaged_before_is_refused_at_first_sight(store: WeightsStore) -> None:
    put_into_cache(store, b"12345").write_bytes(b"12346")
    assert "is damaged" in unverified(store, entry("org/m", "abc")).failure.reason


def test_another_file_that_another_program_fetches_is_taken_in(store: WeightsStore) -> None:
    put_into_cache(store, b"12345")
    read_by(store, entry("org/m", "abc"))
    put_into_cache(store, b"more", name="more.safetensors")
    assert store.verified(entry("org/m", "abc")).size == 9
    assert read_by(store, entry("org/m", "abc"))[-1] == (4, 4)


def test_a_repository_with_a_file_missing_is_not_here_and_can_be_fetched(store: WeightsStore) -> None:
    put_into_cache(store, b"12345")
    put_into_cache(store, b"{}", name="config.json").unlink()
    assert store.find(entry("org/m", "abc")) is None


def safetensors(**dtypes: str) -> bytes:
    """A file with a tensor of 8 bytes for each name."""
    spans = {
        name: {"dtype": dtype, "shape": [8 // (4 if dtype == "F32" else 2)], "data_offsets": [8 * at, 8 * at + 8]}
        for at, (name, dtype) in enumerate(dtypes.items())
    }
    header = json.dumps({"__metadata__": {"format": "pt"}, **spans}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8 * len(dtypes))


@pytest.mark.parametrize(("dtype", "less"), [("auto", 0), ("float32", 0), ("float16", 8), ("bfloat16", 8)])
def test_float32_weights_take_half_where_they_are_loaded_in_16_bits(store: WeightsStore, dtype: str, less: int) -> None:
    fill(store.models_dir / "m")
    whole = safetensors(a="F32", b="F16", c="F32")
    (store.models_dir / "m/model.safetensors").write_bytes(whole)
    assert store.size_of(entry("./m", args={"dtype": dtype})) == len(whole) - less


@pytest.mark.parametrize("content", [b"", b"12345", b"\xff" * 9, struct.pack("<Q", 2) + b"[]", safetensors()[:12]])
def test_a_file_whose_header_cannot_be_read_counts_as_it_is(store: WeightsStore, content: bytes) -> None:
    fill(store.models_dir / "m")
    (store.models_dir / "m/model.safetensors").write_bytes(content)
    assert store.size_of(entry("./m", args={"dtype": "float16"})) == len(content)
