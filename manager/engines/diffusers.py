"""Diffusers: pictures, edits and clips, by our own server (`images/diffusers/`), on an NVIDIA GPU or on the CPU.

The flags are those of `python3 -m images.diffusers.server`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from contract.catalogue import ArgumentValue, ModelEntry, ModelType
from manager.engines.arguments import ArgumentRule, as_flags, problem_with_values
from manager.engines.kind import Call, Metrics, Order, Probe, SleepLevel
from manager.specification import DeviceKind, EngineSpec

GPU_IMAGE = "roundhouse-diffusers:0.1.0"
CPU_IMAGE = "roundhouse-diffusers-cpu:0.1.0"
GIB = 2**30

# A scheduler is named by its class or by its short name; the server has the list, which grows with the library.
SCHEDULER = ArgumentRule(str, pattern=r"[A-Za-z][A-Za-z0-9_+.-]{0,63}", example="euler_a")

# What models.json may say. Left out on purpose: all that loads code, opens a port, reads a path or fetches kernels.
ARGUMENTS: Mapping[str, ArgumentRule] = {
    "dtype": ArgumentRule(str, choices=("auto", "float32", "float16", "bfloat16")),
    "attention": ArgumentRule(str, pattern=r"(?!\w*_hub$)[a-z_][a-z0-9_]{0,31}", example="native"),
    "compile": ArgumentRule(bool),
    "cache": ArgumentRule(str, pattern=r"[a-z][a-z0-9_]{0,31}", example="first_block"),
    "max-batch-size": ArgumentRule(int, 1, 64),
    "scheduler": SCHEDULER,
    "vae-tiling": ArgumentRule(bool),
    "safety-checker": ArgumentRule(bool),
}
# What a request may leave out and the catalogue may fill in.
DEFAULTS: Mapping[str, ArgumentRule] = {
    "num_inference_steps": ArgumentRule(int, 1, 1000),
    "guidance_scale": ArgumentRule(float, 0, 100),
    "negative_prompt": ArgumentRule(str, pattern=r"[^\x00-\x1f]{0,2000}", example="blurry, low quality"),
    "strength": ArgumentRule(float, 0, 1),
    "scheduler": SCHEDULER,
    "size": ArgumentRule(str, pattern=r"[1-9]\d{1,4}x[1-9]\d{1,4}", example="1024x1024"),
    "fps": ArgumentRule(int, 1, 120),
    "num_frames": ArgumentRule(int, 1, 2000),
    "motion_bucket_id": ArgumentRule(int, 0, 255),
    "noise_aug_strength": ArgumentRule(float, 0, 10),
}
ENVIRONMENT = frozenset({"OMP_NUM_THREADS"})
SERVED = frozenset({ModelType.IMAGE, ModelType.EDIT, ModelType.VIDEO})

METRICS = Metrics(
    running="roundhouse_requests_running",
    waiting="roundhouse_requests_waiting",
    progress=("roundhouse_steps_total", "roundhouse_pictures_total"),
)


@dataclass(frozen=True)
class Diffusers:
    """Our server of diffusion models."""

    name: str = "diffusers"
    default_for: frozenset[ModelType] = SERVED
    needs_weights: bool = True
    default_port: int = 8000
    start_deadline: float = 600
    hang_timeout: float = 300  # one step of a large video model, or the decoding of its frames, takes minutes
    fills_its_share: bool = False
    health_path: str = "/health"
    metrics: Metrics = METRICS
    phases: tuple[tuple[str, str], ...] = tuple(
        (line, line)
        for line in (
            "reading the model's configuration",
            "loading weights",
            "moving weights to the device",
            "warming up",
            "serving",
        )
    )

    faults: tuple[tuple[str, str], ...] = (
        (
            "CUDA out of memory",
            "the device's memory ran out; raise the model's `memory`, set `args.vae-tiling`, or take a smaller one",
        ),
    )

    def sleep_levels(self, device: DeviceKind) -> tuple[SleepLevel, ...]:
        """Level 1 keeps the weights in host memory, level 2 drops them.

        On the CPU host memory is the device's, so only level 2 gives any back. What stays is the process, and with it
        all that a start takes but the reading of the weights.
        """
        levels = (2,) if device is DeviceKind.CPU else (1, 2)
        return tuple(
            SleepLevel(
                level,
                sleep=(Call("POST", "/sleep", {"level": str(level)}),),
                wake=(Call("POST", "/wake_up"),),
                keeps_weights=level == 1,
            )
            for level in levels
        )

    def probe(self, name: str) -> Probe:
        """One step of what the model is for. Only the engine knows whether that takes a prompt, a picture or both."""
        return Probe("/probe", {"model": name})

    def problem_with(self, entry: ModelEntry) -> str | None:
        return (
            _problem_with_place(entry)
            or problem_with_values("args", entry.args, ARGUMENTS)
            or problem_with_values("defaults", entry.defaults, DEFAULTS)
        )

    def specify(self, order: Order) -> EngineSpec:
        """An entry -> its container. The engine answers to the model's name and to all of its aliases."""
        entry, placement = order.entry, order.placement
        on_cpu = placement.kind is DeviceKind.CPU
        return order.specification(
            self,
            image=CPU_IMAGE if on_cpu else GPU_IMAGE,
            module="images.diffusers.server",
            arguments=(
                *("--model", order.weights.path),
                *("--served-model-name", order.name, *entry.aliases),
                *("--types", ",".join(entry.type)),
                *("--device", "cpu" if on_cpu else "cuda:0"),  # the first of those that it can see
                *_revision(order),
                *("--models-dir", order.inside.models),
                *("--defaults", json.dumps(entry.defaults, sort_keys=True)),
                *as_flags(dict(_arguments(entry))),
            ),
            env=_environment(order),
            # On a GPU: room for the weights while they sleep or are read. On the CPU they are counted already.
            memory_limit=placement.memory + (2 if on_cpu else 16) * GIB,
        )


def _problem_with_place(entry: ModelEntry) -> str | None:
    unknown = sorted(set(entry.env) - ENVIRONMENT)
    if unknown:
        return f"env.{unknown[0]}: not allowed for diffusers; allowed are {', '.join(sorted(ENVIRONMENT))}"
    if not set(entry.type) <= SERVED:
        return f"type: diffusers serves {', '.join(sorted(SERVED))}"
    if len(entry.devices) > 1:
        return "devices: diffusers runs on one device; name one"
    return None


def _arguments(entry: ModelEntry) -> Iterator[tuple[str, ArgumentValue]]:
    """What the server is told: a yes-or-no flag that says no is what it does anyway."""
    yield "dtype", "auto"
    yield from ((flag, value) for flag, value in entry.args.items() if value is not False)


def _revision(order: Order) -> tuple[str, ...]:
    """The commit of a hub's weights, as their folder is named. Other weights the engine names by what is in them.

    Answers carry it, so that a picture can be made again.
    """
    if order.entry.is_local:
        return ("--revision", order.entry.revision) if order.entry.revision else ()
    return ("--revision", PurePosixPath(order.weights.path).name)


def _environment(order: Order) -> dict[str, str]:
    cache = order.inside.cache
    env = {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HOME": f"{cache}/huggingface",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
        "TRITON_CACHE_DIR": f"{cache}/triton",
    }
    if order.placement.kind is DeviceKind.CPU:
        # Threads that wait give their core away: another engine lives beside this one. Their number is left to
        # PyTorch, which takes the machine's cores; an entry's `env` may say otherwise.
        env["OMP_WAIT_POLICY"] = "passive"
    return env


ENGINE = Diffusers()
