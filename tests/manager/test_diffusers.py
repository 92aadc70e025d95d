"""Catalogue entry -> the Diffusers engine's argument list, as a table."""

import json

import pytest

from contract.catalogue import ArgumentValue, ModelEntry, ModelType
from manager.engines import ENGINES, engine_for
from manager.engines.diffusers import CPU_IMAGE, ENGINE, GPU_IMAGE
from manager.engines.kind import Order, Weights
from manager.specification import DeviceKind, EngineSpec, Inside, Placement

GIB = 2**30
CPU = Placement(DeviceKind.CPU, ("cpu",), GIB, 20 * GIB)
GPU = Placement(DeviceKind.CUDA, ("cuda:1",), 12 * GIB, 24 * GIB)
SNAPSHOT = "/hub/hub/models--owner--m/snapshots/0123abc"
COMMON = "--model /models/m --served-model-name m"
WHERE = "--models-dir /models --defaults {}"


def entry_of(**fields: object) -> ModelEntry:
    return ModelEntry.model_validate({"type": ["image", "edit"], "source": "./m", **fields})


def specified(placement: Placement, **fields: object) -> EngineSpec:
    return specified_at("/models/m", placement, entry_of(**fields))


def specified_at(path: str, placement: Placement, entry: ModelEntry) -> EngineSpec:
    order = Order(
        name="m",
        entry=entry,
        container="rh-m",
        weights=Weights(path, GIB),
        placement=placement,
        inside=Inside("/models", "/hub", "/cache"),
    )
    return ENGINE.specify(order)


def after(flag: str, spec: EngineSpec) -> str:
    return spec.arguments[spec.arguments.index(flag) + 1]


@pytest.mark.parametrize(
    ("placement", "fields", "arguments"),
    [
        (CPU, {}, f"{COMMON} --types image,edit --device cpu {WHERE} --dtype auto"),
        (
            CPU,
            {"type": "video", "aliases": ["sora", "org/m"]},
            f"{COMMON} sora org/m --types video --device cpu {WHERE} --dtype auto",
        ),
        (
            GPU,
            {"args": {"compile": True, "dtype": "bfloat16", "max-batch-size": 8, "scheduler": "dpm++_2m"}},
            f"{COMMON} --types image,edit --device cuda:0 {WHERE} "
            "--compile --dtype bfloat16 --max-batch-size 8 --scheduler dpm++_2m",
        ),
        (
            GPU,
            {"args": {"safety-checker": True, "vae-tiling": False, "attention": "native", "cache": "first_block"}},
            f"{COMMON} --types image,edit --device cuda:0 {WHERE} "
            "--attention native --cache first_block --dtype auto --safety-checker",
        ),
    ],
)
def test_an_entry_becomes_an_argument_list(placement: Placement, fields: dict[str, object], arguments: str) -> None:
    assert specified(placement, **fields).arguments == tuple(arguments.split())


def test_image_and_module_are_our_own() -> None:
    assert (specified(CPU).image, specified(GPU).image) == (CPU_IMAGE, GPU_IMAGE)
    assert specified(CPU).module == "images.diffusers.server"
    assert specified(CPU).engine == "diffusers"


def test_defaults_of_a_request_are_the_engines_to_fill_in() -> None:
    defaults = {"size": "64x64", "num_inference_steps": 25, "negative_prompt": 'a "blurred" one', "guidance_scale": 4}
    assert json.loads(after("--defaults", specified(CPU, defaults=defaults))) == defaults


@pytest.mark.parametrize(
    ("fields", "path", "revision"),
    [
        ({"revision": "v2"}, "/models/m", "v2"),
        ({"source": "owner/m"}, SNAPSHOT, "0123abc"),
        ({"source": "owner/m", "revision": "main"}, SNAPSHOT, "0123abc"),
    ],
)
def test_the_engine_is_told_the_very_commit_of_its_weights(fields: dict[str, object], path: str, revision: str) -> None:
    assert after("--revision", specified_at(path, CPU, entry_of(**fields))) == revision


def test_weights_of_ones_own_are_named_by_the_engine() -> None:
    assert "--revision" not in specified(CPU).arguments


def test_the_engine_is_offline_and_its_caches_are_where_it_may_write() -> None:
    env = specified(GPU).env
    assert env["HF_HUB_OFFLINE"] == "1"
    assert all(env[key].startswith("/cache/") for key in ("HF_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"))


def test_on_the_cpu_its_threads_give_their_cores_away_while_they_wait() -> None:
    assert specified(CPU).env["OMP_WAIT_POLICY"] == "passive"
    assert "OMP_WAIT_POLICY" not in specified(GPU).env
    assert specified(CPU, env={"OMP_NUM_THREADS": "1"}).env["OMP_NUM_THREADS"] == "1"


def test_host_memory_has_room_for_weights_that_sleep() -> None:
    assert specified(CPU).memory_limit == 3 * GIB
    assert specified(GPU).memory_limit == 28 * GIB


def test_the_port_is_the_entrys_own_or_the_engines_default() -> None:
    assert (specified(CPU).port, specified(CPU).fixed_port) == (8000, False)
    assert (specified(CPU, port=8005).port, specified(CPU, port=8005).fixed_port) == (8005, True)


@pytest.mark.parametrize(
    ("fields", "fix"),
    [
        ({"args": {"trust-remote-code": True}}, "does not allow it; it allows"),
        ({"args": {"model": "/etc"}}, "does not allow"),
        ({"args": {"dtype": "float8"}}, "one of auto"),
        ({"args": {"compile": 1}}, "type bool"),
        ({"args": {"max-batch-size": 0}}, "number from 1"),
        ({"args": {"scheduler": "--host 0.0.0.0"}}, "like euler_a"),
        ({"args": {"attention": "flash hub"}}, "like native"),
        ({"args": {"attention": "_flash_3_hub"}}, "like native"),
        ({"args": {"cache": "../x"}}, "like first_block"),
        ({"defaults": {"size": "big"}}, "like 1024x1024"),
        ({"defaults": {"size": "0x64"}}, "like 1024x1024"),
        ({"defaults": {"strength": 1.5}}, "number from 0 to 1"),
        ({"defaults": {"num_inference_steps": 10**9}}, "number from 1 to 1000"),
        ({"defaults": {"negative_prompt": "a\x00b"}}, "like blurry"),
        ({"defaults": {"loras": "x"}}, "does not allow"),
        ({"env": {"LD_PRELOAD": "/tmp/x.so"}}, "allowed are OMP_NUM_THREADS"),
        ({"devices": ["cuda:0", "cuda:1"]}, "one device"),
        ({"type": "text", "engine": "diffusers"}, "serves edit, image, video"),
    ],
)
def test_what_is_outside_the_allow_lists_is_refused_with_the_fix(fields: dict[str, object], fix: str) -> None:
    problem = ENGINE.problem_with(entry_of(**fields))
    assert problem is not None
    assert fix in problem


@pytest.mark.parametrize(
    "defaults",
    [
        {"size": "1024x1536", "scheduler": "DPMSolverMultistepScheduler", "guidance_scale": 0},
        {"fps": 7, "num_frames": 14, "motion_bucket_id": 127, "noise_aug_strength": 0.02},
        {"negative_prompt": ""},
    ],
)
def test_what_a_diffusion_model_knows_is_allowed(defaults: dict[str, ArgumentValue]) -> None:
    assert ENGINE.problem_with(entry_of(defaults=defaults)) is None


@pytest.mark.parametrize(
    ("device", "levels"), [(DeviceKind.CPU, [(2, False)]), (DeviceKind.CUDA, [(1, True), (2, False)])]
)
def test_on_the_cpu_only_the_sleep_that_drops_the_weights_gives_memory_back(
    device: DeviceKind, levels: list[tuple[int, bool]]
) -> None:
    found = ENGINE.sleep_levels(device)
    assert [(each.level, each.keeps_weights) for each in found] == levels
    assert all(call.query == {"level": str(each.level)} for each in found for call in each.sleep)
    assert [call.path for each in found for call in each.wake] == ["/wake_up"] * len(levels)


def test_pictures_edits_and_clips_are_its_by_default() -> None:
    assert all(
        engine_for(ENGINES, types, None) is ENGINE
        for types in ([ModelType.IMAGE], [ModelType.IMAGE, ModelType.EDIT], [ModelType.VIDEO])
    )
    assert engine_for(ENGINES, [ModelType.IMAGE, ModelType.TEXT], None) is None
