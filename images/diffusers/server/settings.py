"""The engine's command line, parsed once into a value. Nothing is read from the environment."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.diffusers.server.tasks import Work

WORKS_OF: Mapping[str, frozenset[Work]] = {
    "image": frozenset({Work.GENERATE}),
    "edit": frozenset({Work.EDIT, Work.INPAINT, Work.VARIATION}),
    "video": frozenset({Work.VIDEO}),
}
# How many pictures are denoised at once where `--max-batch-size` says nothing.
BATCH_ON_GPU, BATCH_ON_CPU = 8, 4


@dataclass(frozen=True)
class Settings:
    """What the engine was started with. `works` is what the entry's types ask for; `defaults` is the entry's own."""

    model: Path
    names: tuple[str, ...]
    works: frozenset[Work]
    device: str
    dtype: str
    revision: str | None
    models_dir: Path
    defaults: Mapping[str, object]
    safety_checker: bool
    attention: str | None
    compile: bool
    cache: str | None
    max_batch_size: int
    scheduler: str | None
    vae_tiling: bool
    host: str
    port: int


def read(arguments: Sequence[str]) -> Settings:
    """The settings of a command line; one that cannot be read ends the process with the reason on stderr."""
    given = _parser().parse_args(arguments)
    batch = given.max_batch_size or (BATCH_ON_CPU if given.device == "cpu" else BATCH_ON_GPU)
    return Settings(
        model=given.model,
        names=tuple(given.served_model_name or [given.model.name]),
        works=given.types,
        device=given.device,
        dtype=given.dtype,
        revision=given.revision,
        models_dir=given.models_dir or given.model.parent,
        defaults=given.defaults,
        safety_checker=given.safety_checker,
        attention=given.attention,
        compile=given.compile,
        cache=given.cache,
        max_batch_size=batch,
        scheduler=given.scheduler,
        vae_tiling=given.vae_tiling,
        host=given.host,
        port=given.port,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="images.diffusers.server", allow_abbrev=False)
    _what(parser)
    _how(parser)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    return parser


def _what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="folder with model_index.json")
    parser.add_argument("--served-model-name", nargs="+", metavar="NAME", help="its name, then aliases")
    parser.add_argument("--types", type=_works, default=frozenset(Work), help="image, edit, video; with commas")
    parser.add_argument("--revision", help="what answers call the weights; else a hash of them")
    parser.add_argument("--models-dir", type=Path, help="folder of loras, controlnets and ip_adapters")
    parser.add_argument("--defaults", type=_object, default={}, metavar="JSON", help="parameters of requests")
    parser.add_argument("--safety-checker", action="store_true")


def _how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu, cuda:0, ...")
    parser.add_argument("--dtype", choices=("auto", "float32", "float16", "bfloat16"), default="auto")
    parser.add_argument("--attention", metavar="NAME", help="attention backend of the transformer")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--cache", metavar="NAME", help="step cache of the transformer")
    parser.add_argument("--max-batch-size", type=_positive, metavar="N")
    parser.add_argument("--scheduler", metavar="NAME", help="used where a request names none")
    parser.add_argument("--vae-tiling", action="store_true")


def _works(text: str) -> frozenset[Work]:
    types = [part.strip() for part in text.split(",")]
    unknown = [part for part in types if part not in WORKS_OF]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(WORKS_OF)}")
    return frozenset().union(*(WORKS_OF[part] for part in types))


def _object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("is not a JSON object")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value
