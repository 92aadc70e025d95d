"""Hostile words in every place of `models.json` that takes words: refused, or one word that no shell reads."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.catalogue import ModelEntry
from contract.catalogue_file import CatalogueError, parse_catalogue
from manager.assembly import Box, fix_models
from manager.box.devices import DeviceSeen
from manager.engines import ENGINES
from manager.engines.kind import Order, Weights
from manager.runtimes.docker_options import create_options
from manager.scheduling.needs import placement_of
from manager.settings import ManagerSettings
from manager.specification import DeviceKind, EngineSpec, Inside
from manager.weights.store import WeightsStore

GIB = 2**30
DEVICES = (
    DeviceSeen("cuda:0", DeviceKind.CUDA, "a card", 24 * GIB, 24 * GIB),
    DeviceSeen("cpu", DeviceKind.CPU, "host", 64 * GIB, 60 * GIB),
)
HOSTILE = (
    "a; rm -rf /",
    "$(id)",
    "`id`",
    "a\nb",
    "a\x00b",
    "a b",
    "--trust-remote-code",
    "--api-key",
    "--host=0.0.0.0",
    "-v",
    "-v /:/h",
    "../../etc/passwd",
    "/etc/passwd",
    "./../m",
    "./m/../../x",
    "a/../b",
    "\u2010\u2010host",  # hyphens that are none
    "\u2212\u2212host",
    "m\u202etxt",  # what is read from right to left
    "{{config}}",
    "%s%n",
    "a" * 5000,
    "",
)
OWN_FLAGS = {"--defaults", "--revision"}  # of what an entry may say
ENGINE_TYPES = {"diffusers": "image", "mock": "text", "vllm": "text", "vllm_pooling": "embedding"}


def places(engine: str, word: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The key that the word is written at, and an entry that has it there."""
    for key in ("type", "container", "source", "revision", "digest", "engine", "memory"):
        yield key, {key: word}
    for key in ("devices", "aliases", "type", "default_for"):
        yield key, {key: [word]}
    for key in ("args", "env", "defaults"):
        yield key, {key: {word: "x"}}
        yield from ((key, {key: {known: word}}) for known in known_words(engine, key))
    yield "requires", {"requires": {word: 1}}
    yield "requires", {"requires": {"memory": word}}
    yield from ((key, {key: word}) for key in ("port", "idle_timeout", "asleep_timeout", "pin", "preload"))
    yield "keyframe", {"type": "video", "engine": "diffusers", "keyframe": word}
    yield "no such key", {word: 1}


def known_words(engine: str, key: str) -> tuple[str, ...]:
    """What the engine's file names under a key: its own refusal tells them."""
    entry = ModelEntry.model_validate({"type": ENGINE_TYPES[engine], key: {"no-such-word": "1"}})
    told = ENGINES[engine].problem_with(entry) or ""
    _, _, listed = told.rpartition("allows ") if "allows " in told else told.rpartition("allowed are ")
    return tuple(listed.split(", ")) if listed else ()


def read(folder: Path, name: str, entry: dict[str, Any]) -> EngineSpec:
    """What the engine would be started with. Raises CatalogueError where the entry is refused."""
    weights = WeightsStore(folder, folder / "hub", Inside("/models", "/hub", "/cache"), folder / "manifests")
    box = Box(ManagerSettings(instance="box"), ENGINES, DEVICES, weights)
    fixed = fix_models(parse_catalogue(json.dumps({name: entry}).encode()), box)[name]
    placement = placement_of(fixed, fixed.places[0], DEVICES)
    order = Order(name, fixed.entry, fixed.container, Weights("/models/m", GIB), placement, Inside("/m", "/h", "/c"))
    return fixed.engine_kind.specify(order)


def base_of(engine: str) -> dict[str, Any]:
    source = {} if engine == "mock" else {"source": "./m"}
    return {"type": ENGINE_TYPES[engine], "engine": engine, "memory": "1GiB", **source}


def assert_harmless(spec: EngineSpec, plain: EngineSpec, word: str) -> None:
    """The word decides about nothing but the text of one argument, or of one variable that may have any text."""
    options = create_options(spec, "box", {"/models": "/srv/models", "/hub": "hub"})
    expected = create_options(plain, "box", {"/models": "/srv/models", "/hub": "hub"})
    changed = {key for key in options if options[key] != expected[key]}
    assert changed <= {"labels", "environment", "command"}, changed
    told = [each for each in options["command"] if each not in {*expected["command"], *OWN_FLAGS}]
    assert len(told) <= 1
    assert all(each.startswith("{") or (each == word and not each.startswith("-")) for each in told), told
    assert {key for key, value in options["environment"].items() if word and word in value} <= {
        "VLLM_LOGGING_LEVEL",
        "VLLM_ATTENTION_BACKEND",
        "OMP_NUM_THREADS",
        "VLLM_ENABLE_RESPONSES_API_STORE",
    }


def test_the_places_are_all_keys_of_an_entry() -> None:
    assert {key for key, _ in places("vllm", "x")} == {*ModelEntry.model_fields, "no such key"}


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_hostile_word_is_refused_wherever_it_stands_or_harms_nobody(tmp_path: Path, engine: str) -> None:
    plain = read(tmp_path, "m", base_of(engine))
    accepted = set()
    for word in HOSTILE:
        for key, written in places(engine, word):
            try:
                spec = read(tmp_path, "m", base_of(engine) | written)
            except CatalogueError:
                continue
            accepted.add(key)
            assert_harmless(spec, plain, word)
    # A variable of the allow-list may say anything that can be printed, and a prompt anything at all; a revision is
    # looked up in the cache and never told; an alias is a name that callers use, slashes and all.
    assert accepted <= {"env", "defaults", "revision", "aliases"}


@pytest.mark.parametrize("word", HOSTILE)
def test_a_hostile_name_of_a_model_is_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(CatalogueError):
        read(tmp_path, word, base_of("mock"))


@pytest.mark.parametrize("word", ["a\nb", "a\x00b", "\u2010\u2010host", "a" * 5000])
def test_a_variable_says_only_what_can_be_printed(tmp_path: Path, word: str) -> None:
    with pytest.raises(CatalogueError):
        read(tmp_path, "m", base_of("vllm") | {"env": {"VLLM_LOGGING_LEVEL": word}})


@pytest.mark.parametrize(
    "devices", [["cuda:0", "cuda:0"], ["cpu", "cuda:0"], ["cpu", "cpu"], ["gpu0"], ["cuda:"], ["CUDA:0"], ["cuda:-1"]]
)
def test_devices_that_no_box_has_so_are_refused(tmp_path: Path, devices: list[str]) -> None:
    with pytest.raises(CatalogueError):
        read(tmp_path, "m", base_of("vllm") | {"devices": devices})


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999"])
@pytest.mark.parametrize("key", ["idle_timeout", "asleep_timeout", "port", "memory"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, key: str, number: str) -> None:
    """JSON has no such numbers, and Python reads them all the same."""
    text = json.dumps({"m": base_of("mock") | {key: "here"}}).replace('"here"', number)
    with pytest.raises(CatalogueError):
        parse_catalogue(text.encode())
