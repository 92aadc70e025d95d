"""From a folder on disk to a pipeline with its weights: only local files, only safetensors, no code of the model's.

StartError
    the model cannot be served; its message is what people are shown.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from diffusers import DiffusionPipeline

from images.diffusers.server.families import BY_PIPELINE
from images.diffusers.server.families.family import Defaults, Family, Recipe
from images.diffusers.server.settings import Settings
from images.diffusers.server.tasks import Work
from images.diffusers.server.variants import variant_of

INDEX = "model_index.json"
# The longest header that a safetensors file of a real model has is a few megabytes.
HEADER_LIMIT = 64 * 2**20
DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
)
# Request parameters of a catalogue entry's `defaults` -> the field of `Defaults` that they set.
FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "num_inference_steps": "steps",
        "guidance_scale": "guidance",
        "strength": "strength",
        "num_frames": "frames",
        "fps": "fps",
    }
)


class StartError(Exception):
    """The model cannot be served: the reason, and what to do about it."""


@dataclass(frozen=True)
class Source:
    """What the model's folder says before anything is loaded."""

    path: Path
    index: Mapping[str, Any]
    pipeline: str
    family: Family


@dataclass(frozen=True)
class LoadedModel:
    """What is served. `recipes` are those that the entry's types ask for and the family has."""

    names: tuple[str, ...]
    family: Family
    revision: str
    recipes: Mapping[Work, Recipe]
    dtype: torch.dtype
    device: torch.device
    schedulers: tuple[str, ...]
    max_batch_size: int
    tuned: Mapping[Work, Defaults]

    def defaults(self, work: Work) -> Defaults:
        """What is used where a request says nothing: the family's, tuned to the weights, then the entry's own."""
        return self.tuned[work]


def read_source(path: Path) -> Source:
    """Raises StartError where the folder holds no pipeline that a family here knows."""
    try:
        index = json.loads((path / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StartError(f"{path} has no {INDEX}: --model takes the folder of a Diffusers pipeline") from error
    except (OSError, ValueError) as error:
        raise StartError(f"{path / INDEX} cannot be read: {error}") from error
    name = index.get("_class_name") if isinstance(index, dict) else None
    if not isinstance(name, str) or name not in BY_PIPELINE:
        raise StartError(f"no family here serves the pipeline {name!r}; served are {', '.join(sorted(BY_PIPELINE))}")
    return Source(path, MappingProxyType(index), name, BY_PIPELINE[name])


def load(source: Source, dtype: torch.dtype, safety_checker: bool) -> DiffusionPipeline:
    """The pipeline on the CPU, in `dtype`. Raises StartError where files are missing or do not fit."""
    try:
        if source.family.load is not None:
            return source.family.load(source.path, dtype)
        return DiffusionPipeline.from_pretrained(
            str(source.path),
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            variant=variant_of(source.path, source.index, half=dtype is torch.float16),
            **_without_checker(source.index, safety_checker),
        )
    except (OSError, ValueError) as error:
        raise StartError(f"the weights in {source.path} cannot be loaded: {error}") from error


def _without_checker(index: Mapping[str, Any], safety_checker: bool) -> dict[str, object]:
    if safety_checker or "safety_checker" not in index:
        return {}
    return {"safety_checker": None, "requires_safety_checker": False}


def dtype_of(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on a GPU that computes in it, float16 on an older one, and float32 on the CPU."""
    if name != "auto":
        return DTYPES[name]
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def revision_of(path: Path, given: str | None) -> str:
    """What answers call the weights: the given revision, or a hash of every file's name, size and tensor table."""
    if given:
        return given
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*.safetensors")):
        digest.update(f"{file.relative_to(path).as_posix()} {file.stat().st_size}\n".encode())
        digest.update(_header(file))
    return f"sha256:{digest.hexdigest()[:16]}"


def _header(file: Path) -> bytes:
    with file.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        return stream.read(min(length, HEADER_LIMIT))


def describe(
    source: Source,
    settings: Settings,
    pipeline: DiffusionPipeline,
    schedulers: tuple[str, ...],
    max_batch_size: int,
) -> LoadedModel:
    """Raises StartError where the entry's types ask for nothing that the family does."""
    every = source.family.recipes[source.pipeline]
    recipes = {work: source.family.suit(pipeline, recipe) for work, recipe in every.items() if work in settings.works}
    if not recipes:
        raise StartError(
            f"{source.pipeline} does none of {', '.join(sorted(settings.works))}; it does {', '.join(every)}"
        )
    tuned = {
        work: _with_entry(source.family.tune(pipeline, recipe.defaults), settings.defaults)
        for work, recipe in recipes.items()
    }
    return LoadedModel(
        names=settings.names,
        family=source.family,
        revision=revision_of(source.path, settings.revision),
        recipes=MappingProxyType(recipes),
        dtype=pipeline.dtype,
        device=torch.device(settings.device),
        schedulers=schedulers,
        max_batch_size=max_batch_size,
        tuned=MappingProxyType(tuned),
    )


def _with_entry(defaults: Defaults, entry: Mapping[str, object]) -> Defaults:
    """Raises StartError for a value that is not of its parameter's kind."""
    return replace(defaults, **dict(_changes(defaults, entry)))


def _changes(defaults: Defaults, entry: Mapping[str, object]) -> Iterator[tuple[str, Any]]:
    for parameter, field in FIELDS.items():
        value = entry.get(parameter)
        if value is None:
            continue
        kind = type(getattr(defaults, field))
        if isinstance(value, bool) or not isinstance(value, int | float) or kind(value) != value:
            raise StartError(f"--defaults: {parameter} is {value!r}, which is not a number of its kind")
        yield field, kind(value)
    size = entry.get("size")
    if size is not None and size != "auto":
        width, _, height = str(size).partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise StartError(f"--defaults: size is {size!r}, not WIDTHxHEIGHT")
        yield from (("width", int(width)), ("height", int(height)))
