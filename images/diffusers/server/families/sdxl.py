"""Stable Diffusion XL and its distillations (turbo, lightning, LCM), the refiner, and the inpainting model."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from diffusers import DiffusionPipeline
from PIL.Image import Image

from images.diffusers.server.families import distilled, inputs
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Task, Work

COMMON = frozenset(
    {Parameter.NEGATIVE_PROMPT, Parameter.GUIDANCE, Parameter.SCHEDULER, Parameter.LORAS}
    | {Parameter.CONTROLNET, Parameter.IP_ADAPTER, Parameter.SIZE}
)
DEFAULTS = Defaults(width=1024, height=1024, steps=30, guidance=5.0, strength=0.7)


def _common(batch: Batch) -> dict[str, object]:
    # No negative prompt and an empty one are two things here: these weights were trained with zeros for none.
    negative = batch.negative_prompts if any(batch.negative_prompts) else None
    return {
        "prompt": batch.prompts,
        "negative_prompt": negative,
        "num_inference_steps": batch.first.steps,
        "guidance_scale": batch.first.guidance,
    }


def generate(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.size(batch)


def image_to_image(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.changed(batch)


def inpaint(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.painted(batch)


def decode(pipeline: DiffusionPipeline, latents: torch.Tensor, task: Task) -> list[Image]:
    """Latents (batch, 4, h/8, w/8) -> pictures. The first release's VAE overflows in float16."""
    vae = pipeline.vae
    before = vae.dtype
    overflows = before == torch.float16 and vae.config.force_upcast
    if overflows:
        vae.to(torch.float32)
    pictures = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]
    if overflows:
        vae.to(before)
    return list(pipeline.image_processor.postprocess(pictures, output_type="pil"))


def tune(pipeline: DiffusionPipeline, defaults: Defaults) -> Defaults:
    """The size that the weights were trained at (turbo: 512), and the steps of distilled ones."""
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    return distilled.schedule(pipeline, replace(defaults, width=side, height=side))


CHANGE = Recipe(
    "StableDiffusionXLImg2ImgPipeline", image_to_image, DEFAULTS, COMMON | {Parameter.STRENGTH}, images=(1, 1)
)
INPAINT = Recipe("StableDiffusionXLInpaintPipeline", inpaint, DEFAULTS, COMMON | {Parameter.STRENGTH}, images=(1, 1))
RECIPES: Mapping[Work, Recipe] = MappingProxyType(
    {
        Work.GENERATE: Recipe("StableDiffusionXLPipeline", generate, DEFAULTS, COMMON),
        Work.EDIT: CHANGE,
        Work.VARIATION: CHANGE,
        Work.INPAINT: INPAINT,
    }
)
FAMILY = Family(
    "sdxl",
    {
        "StableDiffusionXLPipeline": RECIPES,
        "StableDiffusionXLImg2ImgPipeline": {Work.EDIT: CHANGE, Work.VARIATION: CHANGE},
        "StableDiffusionXLInpaintPipeline": {Work.INPAINT: INPAINT},
    },
    decode=decode,
    tune=tune,
    suit=distilled.suit,
)
