"""Catalogue entry -> argument list, as a table."""

import pytest

from contract.catalogue import ArgumentValue, ModelEntry, ModelType
from manager.engines import ENGINES, engine_for, registry
from manager.engines.kind import Order, Weights
from manager.engines.vllm import CPU_IMAGE, ENGINE, GPU_IMAGE
from manager.specification import DeviceKind, EngineSpec, Inside, Placement

GIB = 2**30
CPU = Placement(DeviceKind.CPU, ("cpu",), 4 * GIB, 20 * GIB)
GPU = Placement(DeviceKind.CUDA, ("cuda:0",), 12 * GIB, 24 * GIB)
ON_CPU = "--enforce-eager --distributed-executor-backend uni"
PAIR = Placement(DeviceKind.CUDA, ("cuda:0", "cuda:1"), 12 * GIB, 24 * GIB)


def specified(placement: Placement, **entry: object) -> EngineSpec:
    order = Order(
        name="m",
        entry=ModelEntry.model_validate({"type": "text", "source": "./m", **entry}),
        container="rh-m",
        weights=Weights("/models/m", GIB),
        placement=placement,
        inside=Inside("/models", "/hub", "/cache"),
    )
    return ENGINE.specify(order)


@pytest.mark.parametrize(
    ("placement", "entry", "arguments"),
    [
        (CPU, {}, f"--model /models/m --served-model-name m {ON_CPU}"),
        (CPU, {"aliases": ["gpt-4o", "org/m"]}, f"--model /models/m --served-model-name m gpt-4o org/m {ON_CPU}"),
        (
            GPU,
            {"args": {"max-model-len": 8192, "dtype": "auto"}},
            "--model /models/m --served-model-name m --gpu-memory-utilization 0.500 --tensor-parallel-size 1 "
            "--enable-sleep-mode --dtype auto --max-model-len 8192",
        ),
        (
            PAIR,
            {"args": {"enable-prefix-caching": False, "enforce-eager": True}},
            "--model /models/m --served-model-name m --gpu-memory-utilization 0.500 --tensor-parallel-size 2 "
            "--enable-sleep-mode --no-enable-prefix-caching --enforce-eager",
        ),
    ],
)
def test_an_entry_becomes_an_argument_list(placement: Placement, entry: dict[str, object], arguments: str) -> None:
    assert specified(placement, **entry).arguments == tuple(arguments.split())


def test_the_image_follows_from_the_device() -> None:
    assert specified(CPU).image == CPU_IMAGE
    assert specified(GPU).image == GPU_IMAGE
    assert ":" in GPU_IMAGE, "pinned"


def test_the_engine_is_offline_and_sends_no_usage_statistics() -> None:
    env = specified(CPU).env
    assert (env["HF_HUB_OFFLINE"], env["VLLM_NO_USAGE_STATS"], env["VLLM_CPU_KVCACHE_SPACE"]) == ("1", "1", "1")


def test_on_the_cpu_threads_that_wait_give_their_cores_away() -> None:
    assert specified(CPU).env["OMP_WAIT_POLICY"] == "passive"
    assert specified(CPU).env["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert not {"OMP_WAIT_POLICY", "VLLM_ENABLE_V1_MULTIPROCESSING"} & set(specified(GPU).env)


def test_nothing_is_compiled_on_the_cpu_while_a_request_waits() -> None:
    assert specified(CPU).env["TORCH_COMPILE_DISABLE"] == "1"
    assert "TORCH_COMPILE_DISABLE" not in specified(GPU).env


def test_an_entry_may_say_how_its_model_calls_tools() -> None:
    args: dict[str, ArgumentValue] = {"enable-auto-tool-choice": True, "tool-call-parser": "hermes"}
    assert ENGINE.problem_with(ModelEntry(type=(ModelType.TEXT,), args=args)) is None
    given = " ".join(specified(CPU, args={**args, "tool-strict-level": "parameter"}).arguments)
    assert given.endswith("--enable-auto-tool-choice --tool-call-parser hermes --tool-strict-level parameter")


def test_the_port_is_the_entrys_own_or_the_engines_default() -> None:
    assert (specified(CPU).port, specified(CPU).fixed_port) == (8000, False)
    assert (specified(CPU, port=8001).port, specified(CPU, port=8001).fixed_port) == (8001, True)


def test_the_same_entry_has_the_same_hash_and_another_has_another() -> None:
    assert specified(CPU).hash == specified(CPU).hash
    assert specified(CPU).hash != specified(CPU, args={"seed": 1}).hash
    assert specified(CPU).hash != specified(GPU).hash


@pytest.mark.parametrize(
    ("args", "fix"),
    [
        ({"trust-remote-code": True}, "does not allow it; it allows"),
        ({"api-key": "x"}, "does not allow"),
        ({"max-model-len; rm -rf /": 1}, "does not allow"),
        ({"max-model-len": "2048; ls"}, "type int"),
        ({"max-model-len": True}, "type int"),
        ({"max-model-len": 0}, "number from 1"),
        ({"enforce-eager": 1}, "type bool"),
        ({"dtype": "float8 --host 0.0.0.0"}, "one of auto"),
        ({"quantization": "$(id)"}, "one of awq"),
        ({"tool-call-parser": "hermes"}, 'both "enable-auto-tool-choice": true and'),
        ({"enable-auto-tool-choice": True}, 'and the "tool-call-parser"'),
    ],
)
def test_arguments_outside_the_allow_list_are_refused_with_the_fix(args: dict[str, ArgumentValue], fix: str) -> None:
    problem = ENGINE.problem_with(ModelEntry(type=(ModelType.TEXT,), args=args))
    assert problem is not None
    assert fix in problem


def test_the_environment_has_an_allow_list_too() -> None:
    assert ENGINE.problem_with(ModelEntry(type=(ModelType.TEXT,), env={"LD_PRELOAD": "/tmp/x.so"})) is not None
    assert ENGINE.problem_with(ModelEntry(type=(ModelType.TEXT,), env={"VLLM_LOGGING_LEVEL": "DEBUG"})) is None


def test_defaults_of_a_request_are_vllms_to_fill_in() -> None:
    arguments = specified(CPU, defaults={"top_p": 0.9, "temperature": 0, "max_tokens": 64}).arguments
    assert arguments[-2:] == (
        "--override-generation-config",
        '{"max_new_tokens": 64, "temperature": 0, "top_p": 0.9}',
    )


@pytest.mark.parametrize("defaults", [{"temperature": 3}, {"temperature": "hot"}, {"chat_template": "x"}])
def test_defaults_have_an_allow_list_too(defaults: dict[str, ArgumentValue]) -> None:
    problem = ENGINE.problem_with(ModelEntry(type=(ModelType.TEXT,), defaults=defaults))
    assert problem is not None
    assert problem.startswith("defaults.")


def test_sleep_does_not_exist_on_the_cpu_and_has_two_levels_on_a_gpu() -> None:
    assert ENGINE.sleep_levels(DeviceKind.CPU) == ()
    one, two = ENGINE.sleep_levels(DeviceKind.CUDA)
    assert (one.level, one.keeps_weights, two.level, two.keeps_weights) == (1, True, 2, False)
    assert [dict(call.query) for call in (*one.sleep, *two.sleep)] == [{"level": "1"}, {"level": "2"}]


def test_after_level_2_the_weights_are_read_before_there_is_a_cache_to_serve_from() -> None:
    two = ENGINE.sleep_levels(DeviceKind.CUDA)[1]
    assert [(call.path, dict(call.query), call.body) for call in two.wake] == [
        ("/wake_up", {"tags": "weights"}, None),
        ("/collective_rpc", {}, {"method": "reload_weights"}),
        ("/wake_up", {"tags": "kv_cache"}, None),
    ]


def test_the_routes_of_sleep_exist_where_it_can_sleep_and_nowhere_else() -> None:
    assert specified(GPU).env["VLLM_SERVER_DEV_MODE"] == "1"
    assert "--enable-sleep-mode" in specified(GPU).arguments
    assert "VLLM_SERVER_DEV_MODE" not in specified(CPU).env
    assert "--enable-sleep-mode" not in specified(CPU).arguments


@pytest.mark.parametrize(("placement", "limit"), [(CPU, 8), (GPU, 28), (PAIR, 40)])
def test_host_memory_has_room_for_the_sleeping_weights_of_all_its_gpus(placement: Placement, limit: int) -> None:
    assert specified(placement).memory_limit == limit * GIB


def test_a_type_finds_its_engine_and_a_name_overrides_it() -> None:
    assert engine_for(ENGINES, [ModelType.TEXT], None) is ENGINE
    assert engine_for(ENGINES, [ModelType.VIDEO], "vllm") is ENGINE
    assert engine_for(ENGINES, [ModelType.TEXT], "nope") is None


def test_two_engines_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two engines are named vllm"):
        registry([ENGINE, ENGINE])
