import json
from pathlib import Path

import pytest

from contract.catalogue import ModelEntry
from manager.specification import EngineError, Inside
from manager.weights import WeightsStore


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
