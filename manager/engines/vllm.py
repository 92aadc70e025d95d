"""vLLM: text models, on NVIDIA GPUs by the official image, on the CPU by our own.

Facts are of vLLM 0.32.0: flags and metrics as its `--help` and `/metrics` name them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from contract.catalogue import ModelEntry, ModelType
from manager.engines.arguments import ArgumentRule, as_flags, problem_with_values
from manager.engines.kind import Call, Metrics, Order, Probe, SleepLevel
from manager.engines.vllm_faults import FAULTS
from manager.specification import DeviceKind, EngineSpec

GPU_IMAGE = "vllm/vllm-openai:v0.32.0"
CPU_IMAGE = "roundhouse-vllm-cpu:0.32.0"
GIB = 2**30

# What models.json may say. Left out on purpose: all that loads code, opens a port, reads a path or drops a guard.
ARGUMENTS: Mapping[str, ArgumentRule] = {
    "max-model-len": ArgumentRule(int, 1, 10_000_000),
    "max-num-seqs": ArgumentRule(int, 1, 4096),
    "max-num-batched-tokens": ArgumentRule(int, 1, 1_000_000),
    "dtype": ArgumentRule(str, choices=("auto", "bfloat16", "float16", "float32", "half", "float")),
    "quantization": ArgumentRule(
        str, choices=("awq", "awq_marlin", "gptq", "gptq_marlin", "fp8", "bitsandbytes", "compressed-tensors")
    ),
    "kv-cache-dtype": ArgumentRule(str, choices=("auto", "fp8", "fp8_e4m3", "fp8_e5m2")),
    "enforce-eager": ArgumentRule(bool),
    "enable-prefix-caching": ArgumentRule(bool),
    "enable-chunked-prefill": ArgumentRule(bool),
    "enable-auto-tool-choice": ArgumentRule(bool),
    "tool-call-parser": ArgumentRule(
        str,
        choices=(
            *("hermes", "llama3_json", "llama4_json", "mistral", "qwen3_coder"),
            *("deepseek_v31", "glm45", "openai", "pythonic"),
        ),
    ),
    # `parameter`: arguments of every tool keep to its schema, as those of tools that say `"strict": true` always do.
    "tool-strict-level": ArgumentRule(str, choices=("auto", "function", "parameter")),
    "reasoning-parser": ArgumentRule(str, choices=("deepseek_r1", "qwen3", "glm45", "openai_gptoss")),
    "seed": ArgumentRule(int, 0, 2**32 - 1),
}
# What a request may leave out and the catalogue may fill in.
DEFAULTS: Mapping[str, ArgumentRule] = {
    "temperature": ArgumentRule(float, 0, 2),
    "top_p": ArgumentRule(float, 0.001, 1),
    "top_k": ArgumentRule(int, -1, 100_000),
    "min_p": ArgumentRule(float, 0, 1),
    "repetition_penalty": ArgumentRule(float, 0.1, 10),
    "max_tokens": ArgumentRule(int, 1, 10_000_000),
}
# The store of responses serves `GET /v1/responses/{id}`. It is off by default: vLLM never forgets what is in it.
ENVIRONMENT = frozenset(
    {"VLLM_LOGGING_LEVEL", "VLLM_ATTENTION_BACKEND", "OMP_NUM_THREADS", "VLLM_ENABLE_RESPONSES_API_STORE"}
)


METRICS = Metrics(
    running="vllm:num_requests_running",
    waiting="vllm:num_requests_waiting",
    # A prompt is counted when the last of it is read. Until then only the room that it takes tells of the reading.
    progress=("vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:kv_cache_usage_perc"),
)

SLEEP_LEVELS = (
    SleepLevel(
        1, sleep=(Call("POST", "/sleep", {"level": "1"}),), wake=(Call("POST", "/wake_up"),), keeps_weights=True
    ),
    SleepLevel(
        2,
        sleep=(Call("POST", "/sleep", {"level": "2"}),),
        # Room for the weights, the weights, and only then the cache: waking all at once would serve from empty weights.
        wake=(
            Call("POST", "/wake_up", {"tags": "weights"}),
            Call("POST", "/collective_rpc", body={"method": "reload_weights"}),
            Call("POST", "/wake_up", {"tags": "kv_cache"}),
        ),
        keeps_weights=False,
    ),
)


@dataclass(frozen=True)
class Vllm:
    """vLLM's OpenAI server."""

    name: str = "vllm"
    default_for: frozenset[ModelType] = frozenset({ModelType.TEXT})
    needs_weights: bool = True
    default_port: int = 8000
    start_deadline: float = 1200
    hang_timeout: float = 300  # on a CPU one step of a long prompt takes minutes, and only whole steps are counted
    fills_its_share: bool = True
    health_path: str = "/health"
    metrics: Metrics = METRICS
    phases: tuple[tuple[str, str], ...] = (
        ("non-default args", "reading the model's configuration"),
        ("Initializing a V1 LLM engine", "initializing the engine"),
        ("Starting to load model", "loading weights"),
        ("Loading weights took", "preparing memory"),
        ("KV cache size", "preparing memory"),
        ("Capturing CUDA graphs", "capturing CUDA graphs"),
        ("init engine", "starting the server"),
    )
    faults: tuple[tuple[str, str], ...] = FAULTS

    def sleep_levels(self, device: DeviceKind) -> tuple[SleepLevel, ...]:
        """Level 1 keeps the weights in host memory, level 2 drops them and reads them again. Not on the CPU.

        Both drop the keys and values of the context. Falling asleep empties the prefix cache with them, and what
        arrives while it sleeps waits, so nothing has to be emptied after waking.
        """
        return () if device is DeviceKind.CPU else SLEEP_LEVELS

    def probe(self, name: str) -> Probe:
        return Probe("/v1/completions", {"model": name, "prompt": "a", "max_tokens": 1, "temperature": 0})

    def problem_with(self, entry: ModelEntry) -> str | None:
        unknown = sorted(set(entry.env) - ENVIRONMENT)
        if unknown:
            return f"env.{unknown[0]}: not allowed for vllm; allowed are {', '.join(sorted(ENVIRONMENT))}"
        return (
            problem_with_values("args", entry.args, ARGUMENTS)
            or problem_with_values("defaults", entry.defaults, DEFAULTS)
            or _problem_with_tools(entry)
        )

    def specify(self, order: Order) -> EngineSpec:
        """An entry -> its container. The engine answers to the model's name and to all of its aliases."""
        entry, placement = order.entry, order.placement
        on_cpu = placement.kind is DeviceKind.CPU
        return order.specification(
            self,
            image=CPU_IMAGE if on_cpu else GPU_IMAGE,
            module="vllm.entrypoints.openai.api_server",
            arguments=(
                *("--model", order.weights.path),
                *("--served-model-name", order.name, *entry.aliases),
                *(_cpu_arguments() if on_cpu else _cuda_arguments(order)),
                *_defaults(entry),
                *_traces(order),
                *as_flags(entry.args),
            ),
            env=_environment(order),
            # On GPUs: room for the weights of all of them, which sleep in host memory.
            memory_limit=placement.memory * len(placement.devices) + (4 if on_cpu else 16) * GIB,
        )


def _problem_with_tools(entry: ModelEntry) -> str | None:
    """vLLM hears no call of a tool without both, and with the first alone it does not start."""
    if bool(entry.args.get("enable-auto-tool-choice")) is ("tool-call-parser" in entry.args):
        return None
    return 'args: tools take both "enable-auto-tool-choice": true and the "tool-call-parser" of the model\'s family'


def _defaults(entry: ModelEntry) -> tuple[str, ...]:
    """vLLM itself fills in what a request leaves out, so no body has to be rewritten on its way."""
    if not entry.defaults:
        return ()
    # vLLM's name for the bound on an answer's length is the one of generation configurations.
    named = {"max_new_tokens" if key == "max_tokens" else key: value for key, value in entry.defaults.items()}
    return ("--override-generation-config", json.dumps(named, sort_keys=True))


def _traces(order: Order) -> tuple[str, ...]:
    """A span for each request, as a part of the proxy's."""
    return ("--otlp-traces-endpoint", order.traces_to) if order.traces_to is not None else ()


def _cpu_arguments() -> tuple[str, ...]:
    # Graph compilation costs minutes on a CPU and gains nothing for small models. The worker lives in the engine's own
    # process: beside one of its own, it answered half as much again, and started in half the time.
    return ("--enforce-eager", "--distributed-executor-backend", "uni")


def _cuda_arguments(order: Order) -> tuple[str, ...]:
    placement = order.placement
    share = min(0.95, placement.memory / placement.total) if placement.total else 0.9
    return (
        *("--gpu-memory-utilization", f"{share:.3f}"),
        *("--tensor-parallel-size", str(len(placement.devices))),
        "--enable-sleep-mode",
    )


def _environment(order: Order) -> dict[str, str]:
    cache = order.inside.cache
    env = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CACHE_ROOT": f"{cache}/vllm",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
        "TRITON_CACHE_DIR": f"{cache}/triton",
    }
    if order.traces_to is not None:
        env |= {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_SERVICE_NAME": "roundhouse-vllm"}
    if order.placement.kind is DeviceKind.CPU:
        # A quarter of the memory for the keys and values of the context, in whole GiB as vLLM wants it.
        env["VLLM_CPU_KVCACHE_SPACE"] = str(max(1, order.placement.memory // (4 * GIB)))
        # What vLLM wants to be told before it takes "uni" at its word. The engine keeps a process of its own.
        env["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        # Threads that wait give their core away: spinning, two engines on one machine all but stop each other.
        env["OMP_WAIT_POLICY"] = "passive"
        # What eager mode leaves to compile is a sum: everybody would wait half a minute for the first log probability.
        env["TORCH_COMPILE_DISABLE"] = "1"
    else:
        # The routes that put it to sleep exist only so. With them come others that no stranger may call: none can,
        # since an engine is reached by the manager and by its proxy, which sends it the OpenAI paths alone.
        env["VLLM_SERVER_DEV_MODE"] = "1"
    return env


ENGINE = Vllm()
