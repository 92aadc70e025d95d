"""The plain diffusers loop: `python -m benchmarks.diffusers.loop MODEL DEVICE DTYPE`.

One job a line comes on standard input, its seconds and what became of it go to standard output. No server, no queue,
no callback, no cache of embeddings: the pipeline's own call, and the file that a script would write.
"""

import hashlib
import io
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from PIL import Image
from transformers.utils import logging as transformers_logging

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def _call(job: Mapping[str, Any]) -> dict[str, Any]:
    """The call's arguments. A clip's are those of a pipeline that moves a picture."""
    common = {key: job[key] for key in ("width", "height")} | {"num_inference_steps": job["steps"]}
    common["generator"] = torch.Generator("cpu").manual_seed(job["seed"])
    if "frames" in job:
        picture = Image.new("RGB", (job["width"], job["height"]), "gray")
        motion = {"num_frames": job["frames"], "max_guidance_scale": job["guidance"], "decode_chunk_size": 8}
        return common | motion | {"image": picture}
    return common | {"prompt": job["prompt"], "guidance_scale": job["guidance"]}


def _run(pipeline: DiffusionPipeline, job: Mapping[str, Any]) -> dict[str, object]:
    began = time.perf_counter()
    with torch.inference_mode():
        output = pipeline(**_call(job))
    frames: list[Image.Image] = output.frames[0] if "frames" in job else output.images
    if "frames" not in job:
        frames[0].save(io.BytesIO(), "PNG")
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "pixels": hashlib.sha256(frames[0].convert("RGB").tobytes()).hexdigest()}


def main() -> None:
    model, device, dtype = sys.argv[1:]
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
    pipeline = DiffusionPipeline.from_pretrained(
        str(Path(model)), dtype=DTYPES[dtype], use_safetensors=True, local_files_only=True
    ).to(device)
    pipeline.set_progress_bar_config(disable=True)
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps(_run(pipeline, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
