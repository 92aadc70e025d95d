"""A pipeline whose folder holds its weights in fp16 too, or alone, whole or in shards: which are loaded."""

import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

from images.diffusers.server.loading import load, read_source

SHARD = "20KB"


def facts(model: Path, scratch: Path) -> dict[str, Any]:
    pipeline = DiffusionPipeline.from_pretrained(str(model), dtype=torch.float16, use_safetensors=True)
    with torch.no_grad():
        next(pipeline.unet.parameters()).fill_(3)  # by what those in fp16 are known
    folders = {name: scratch / name for name in ("alone", "shards", "both", "one plain")}
    pipeline.save_pretrained(str(folders["alone"]), variant="fp16")
    pipeline.save_pretrained(str(folders["shards"]), variant="fp16", max_shard_size=SHARD)
    for name in ("both", "one plain"):
        shutil.copytree(model, folders[name])
        pipeline.save_pretrained(str(folders[name]), variant="fp16")
    for file in (folders["one plain"] / "vae").glob("*.fp16.safetensors"):
        file.unlink()
    return {
        "files": sorted(file.relative_to(folders["shards"]).as_posix() for file in folders["shards"].glob("*/*.fp16*")),
        "loaded": {
            f"{name} {dtype}": _loads_half(folder, dtype)
            for name, folder in folders.items()
            for dtype in (torch.float16, torch.float32)
        },
    }


def _loads_half(folder: Path, dtype: torch.dtype) -> bool:
    pipeline = load(read_source(folder), dtype, safety_checker=False)
    return bool((next(pipeline.unet.parameters()) == 3).all())
