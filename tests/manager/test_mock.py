"""Catalogue entry -> the mock engine's argument list, as a table; and its server understands every word of it."""

import pytest

from contract.catalogue import ModelEntry, ModelType
from images.mock.server.settings import read
from manager.engines import ENGINES, engine_for
from manager.engines.kind import Order, Weights
from manager.engines.mock import ARGUMENTS, ENGINE
from manager.specification import ROUNDHOUSE_ENVIRONMENT, DeviceKind, EngineSpec, Inside, Placement

GIB = 2**30
CPU = Placement(DeviceKind.CPU, ("cpu",), GIB, 20 * GIB)
GPU = Placement(DeviceKind.CUDA, ("cuda:1",), 12 * GIB, 24 * GIB)
SAID = {bool: True, int: 3, float: 0.5}


def entry_of(**fields: object) -> ModelEntry:
    return ModelEntry.model_validate({"type": "text", "engine": "mock", **fields})


def specified(entry: ModelEntry | None = None, placement: Placement = CPU) -> EngineSpec:
    inside = Inside("/models", "/hub", "/cache")
    return ENGINE.specify(Order("m", entry or entry_of(), "rh-m", Weights("", 0), placement, inside))


@pytest.mark.parametrize(
    ("fields", "arguments"),
    [
        ({}, "--served-model-name m --types text"),
        (
            {"type": ["image", "edit"], "aliases": ["dall-e", "org/m"]},
            "--served-model-name m dall-e org/m --types image,edit",
        ),
        (
            {"args": {"resident-mib": 512, "load-seconds": 1.5, "die-at-load": True, "garbage": False}},
            "--served-model-name m --types text --die-at-load --no-garbage --load-seconds 1.5 --resident-mib 512",
        ),
    ],
)
def test_an_entry_becomes_an_argument_list(fields: dict[str, object], arguments: str) -> None:
    assert specified(entry_of(**fields)).arguments == tuple(arguments.split())


@pytest.mark.parametrize("flag", sorted(ARGUMENTS))
def test_the_server_understands_every_argument_that_an_entry_may_have(flag: str) -> None:
    for said in (SAID[ARGUMENTS[flag].kind], *([False] if ARGUMENTS[flag].kind is bool else [])):
        entry = entry_of(args={flag: said})
        assert ENGINE.problem_with(entry) is None
        settings = read(specified(entry).arguments)
        name = flag.replace("-", "_")
        assert getattr(settings, name, getattr(settings.knobs, name, None)) == said


def test_it_runs_where_manager_and_proxy_run() -> None:
    spec = specified()
    assert (spec.image, spec.module) == ("roundhouse:0.1.0", "images.mock.server")
    assert (spec.environment, spec.env) == (ROUNDHOUSE_ENVIRONMENT, {})
    assert (spec.port, spec.fixed_port, specified(entry_of(port=8005)).port) == (8000, False, 8005)


def test_it_has_room_beside_what_it_was_granted() -> None:
    assert specified(placement=CPU).memory_limit == 2 * GIB
    assert specified(placement=GPU).memory_limit == 13 * GIB


def test_another_environment_is_another_specification() -> None:
    spec = specified()
    assert spec.hash == specified().hash
    assert spec.hash != EngineSpec(**{**vars(spec), "environment": ""}).hash


@pytest.mark.parametrize(
    ("fields", "fix"),
    [
        ({"args": {"host": "0.0.0.0"}}, "does not allow it; it allows"),
        ({"args": {"resident-mib": -1}}, "number from 0"),
        ({"args": {"tokens": "five"}}, "type int"),
        ({"args": {"load-seconds": 1e9}}, "number from 0 to 3600"),
        ({"args": {"garbage": "yes"}}, "type bool"),
        ({"env": {"LD_PRELOAD": "/tmp/x.so"}}, "env.LD_PRELOAD: the mock engine has no use for it"),
        ({"defaults": {"temperature": 1}}, "defaults.temperature: the mock engine has no use for it"),
        ({"source": "owner/m"}, "needs no weights; leave it out"),
        ({"type": "video"}, "serves edit, image, text"),
    ],
)
def test_what_is_outside_the_allow_lists_is_refused_with_the_fix(fields: dict[str, object], fix: str) -> None:
    problem = ENGINE.problem_with(entry_of(**fields))
    assert problem is not None
    assert fix in problem


def test_level_2_gives_its_memory_back_everywhere_and_level_1_keeps_it_on_a_gpu() -> None:
    (deep,) = ENGINE.sleep_levels(DeviceKind.CPU)
    light, same = ENGINE.sleep_levels(DeviceKind.CUDA)
    assert (deep.level, deep.keeps_weights, deep.sleep[0].query) == (2, False, {"level": "2"})
    assert (light.level, light.keeps_weights, same) == (1, True, deep)


def test_no_entry_gets_a_mock_that_does_not_name_it() -> None:
    assert engine_for(ENGINES, [ModelType.TEXT], "mock") is ENGINE
    assert all(engine_for(ENGINES, [kind], None) is not ENGINE for kind in ModelType)


def test_it_needs_no_weights() -> None:
    assert [kind.name for kind in ENGINES.values() if not kind.needs_weights] == ["mock"]
