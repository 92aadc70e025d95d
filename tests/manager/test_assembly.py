"""A catalogue fitted to a box: what the box refuses is told with key, value and fix."""

import json
from pathlib import Path
from typing import Any

import pytest

from contract.catalogue_file import CatalogueError, parse_catalogue
from manager.assembly import Box, fix_models
from manager.box.devices import DeviceSeen
from manager.engines import ENGINES
from manager.fixed import Fixed
from manager.settings import ManagerSettings
from manager.specification import DeviceKind, Inside
from manager.weights.store import WeightsStore


def fix(folder: Path, **entries: dict[str, Any]) -> dict[str, Fixed]:
    """On a box with one GPU."""
    devices = (
        DeviceSeen("cuda:0", DeviceKind.CUDA, "a card", 24 * 2**30, 24 * 2**30),
        DeviceSeen("cpu", DeviceKind.CPU, "host", 64 * 2**30, 60 * 2**30),
    )
    weights = WeightsStore(folder, folder / "hub", Inside("/models", "/hub", "/cache"), folder / "manifests")
    box = Box(ManagerSettings(instance="box"), ENGINES, devices, weights)
    return fix_models(parse_catalogue(json.dumps(entries).encode()), box)


def refusal(folder: Path, **entries: dict[str, Any]) -> str:
    with pytest.raises(CatalogueError) as refused:
        fix(folder, **entries)
    return str(refused.value)


def test_an_unknown_engine_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    told = refusal(tmp_path, a={"type": "text", "engine": "steam"})
    assert told.startswith("models.json: a.engine: 'steam': write one of ")
    assert all(name in told for name in ENGINES)


@pytest.mark.parametrize(
    "entries",
    [
        {"Small": {"type": "text"}, "small": {"type": "text"}},
        {"small": {"type": "text"}, "other": {"type": "text", "container": "box-small"}},
    ],
)
def test_two_models_that_would_have_the_same_container_are_refused(
    tmp_path: Path, entries: dict[str, dict[str, Any]]
) -> None:
    first, second = entries
    told = refusal(tmp_path, **entries)
    assert told == f"models.json: {second}.container: box-small: taken by {first}; give each its own"


@pytest.mark.parametrize("key", ["args", "env"])
@pytest.mark.parametrize(
    "word", ["host", "--host", "-v", "port", "api-key", "trust-remote-code", "a;b", "$(id)", "a\nb", "../x", "‐‐host"]
)
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_what_no_allow_list_has_never_reaches_an_engine(tmp_path: Path, engine: str, key: str, word: str) -> None:
    """Whatever an engine is told that its file does not name is refused with the word."""
    told = refusal(
        tmp_path, a={"type": "text" if engine != "diffusers" else "image", "engine": engine, key: {word: "x"}}
    )
    assert "a: not allowed" in told


def test_every_problem_of_every_model_is_told_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path, a={"type": "text", "engine": "steam"}, b={"type": "text", "args": {"host": "x"}})
    assert "a.engine" in told
    assert "b: not allowed" in told


def test_a_timeout_of_nothing_is_the_settings_and_one_of_zero_is_never(tmp_path: Path) -> None:
    models = fix(tmp_path, a={"type": "text"}, b={"type": "text", "idle_timeout": 0, "asleep_timeout": 5})
    settings = ManagerSettings()
    assert (models["a"].idle_timeout, models["a"].asleep_timeout) == (settings.idle_timeout, settings.asleep_timeout)
    assert (models["b"].idle_timeout, models["b"].asleep_timeout) == (float("inf"), 5)


def test_what_reads_and_writes_text_is_drained_sooner_than_pictures_and_clips(tmp_path: Path) -> None:
    types = ("text", "embedding", "rerank", "image", "video")
    bounds = {kind: fixed.drain_bound for kind, fixed in fix(tmp_path, **{t: {"type": t} for t in types}).items()}
    text, media = ManagerSettings().drain_text, ManagerSettings().drain_media
    assert bounds == {"text": text, "embedding": text, "rerank": text, "image": media, "video": media}
