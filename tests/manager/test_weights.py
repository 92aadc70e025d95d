import json
from pathlib import Path

import pytest

from contract.catalogue import ModelEntry
from manager.specification import EngineError, Inside
from manager.weights import WeightsStore, unfinished_mark


@pytest.fixture
def store(tmp_path: Path) -> WeightsStore:
    return WeightsStore(tmp_path / "models", tmp_path / "hub-cache", Inside("/models", "/hub", "/cache"))


def entry(source: str, revision: str | None = None) -> ModelEntry:
    return ModelEntry.model_validate({"type": "text", "source": source, "revision": revision})


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
    repository = store.hub_dir / "hub" / "models--org--m"
    fill(repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    assert store.verified(entry("org/m")).path == "/hub/hub/models--org--m/snapshots/abc"
    assert store.verified(entry("org/m", "abc")).path == "/hub/hub/models--org--m/snapshots/abc"


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
    repository = store.hub_dir / "hub" / "models--org--m"
    fill(repository / "snapshots" / "abc")
    mark = unfinished_mark(repository, "abc")
    mark.touch()
    assert store.find(entry("org/m", "abc")) is None
    mark.unlink()
    assert store.find(entry("org/m", "abc")) is not None
