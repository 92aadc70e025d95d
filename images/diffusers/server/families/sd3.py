"""Stable Diffusion 3 and 3.5: three text encoders, flow matching."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from diffusers import DiffusionPipeline
from PIL.Image import Image

from images.diffusers.server.families import inputs
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Task, Work

COMMON = frozenset({Parameter.NEGATIVE_PROMPT, Parameter.GUIDANCE, Parameter.LORAS, Parameter.SIZE})
DEFAULTS = Defaults(width=1024, height=1024, steps=28, guidance=7.0, strength=0.7)


def _common(batch: Batch) -> dict[str, object]:
    return {
        "prompt": batch.prompts,
        "negative_prompt": batch.negative_prompts,
        "num_inference_steps": batch.first.steps,
        "guidance_scale": batch.first.guidance,
    } | inputs.size(batch)


def generate(batch: Batch) -> dict[str, object]:
    return _common(batch)


def image_to_image(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.flow_changed(batch)


def inpaint(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.flow_painted(batch)


def decode(pipeline: DiffusionPipeline, latents: torch.Tensor, task: Task) -> list[Image]:
    """Latents (batch, 16, h/8, w/8) -> pictures."""
    vae = pipeline.vae
    latents = latents.to(vae.dtype) / vae.config.scaling_factor + vae.config.shift_factor
    pictures = vae.decode(latents, return_dict=False)[0]
    return list(pipeline.image_processor.postprocess(pictures, output_type="pil"))


def tune(pipeline: DiffusionPipeline, defaults: Defaults) -> Defaults:
    side = pipeline.transformer.config.sample_size * pipeline.vae_scale_factor
    sized = replace(defaults, width=side, height=side)
    return replace(sized, steps=4, guidance=0.0) if inputs.called(pipeline, ["turbo"]) else sized


CHANGE = Recipe(
    "StableDiffusion3Img2ImgPipeline",
    image_to_image,
    DEFAULTS,
    COMMON | {Parameter.STRENGTH},
    images=(1, 1),
    multiple=16,
)
RECIPES: Mapping[Work, Recipe] = MappingProxyType(
    {
        Work.GENERATE: Recipe("StableDiffusion3Pipeline", generate, DEFAULTS, COMMON, multiple=16),
        Work.EDIT: CHANGE,
        Work.VARIATION: CHANGE,
        Work.INPAINT: replace(CHANGE, pipeline="StableDiffusion3InpaintPipeline", arguments=inpaint),
    }
)
FAMILY = Family("sd3", {"StableDiffusion3Pipeline": RECIPES}, decode=decode, tune=tune)
