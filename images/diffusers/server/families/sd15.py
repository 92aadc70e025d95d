"""Stable Diffusion 1.x and 2.x: text to image, image to image, inpainting, all on one set of weights."""

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
DEFAULTS = Defaults(width=512, height=512, steps=25, guidance=7.5)


def _common(batch: Batch) -> dict[str, object]:
    first = batch.first
    return {
        "prompt": batch.prompts,
        "negative_prompt": batch.negative_prompts,
        "num_inference_steps": first.steps,
        "guidance_scale": first.guidance,
    }


def generate(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.size(batch)


def image_to_image(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.changed(batch)


def inpaint(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.painted(batch)


def decode(pipeline: DiffusionPipeline, latents: torch.Tensor, task: Task) -> list[Image]:
    """Latents (batch, 4, h/8, w/8) -> pictures."""
    latents = latents.to(pipeline.vae.dtype) / pipeline.vae.config.scaling_factor
    pictures = pipeline.vae.decode(latents, return_dict=False)[0]
    return list(pipeline.image_processor.postprocess(pictures, output_type="pil"))


def tune(pipeline: DiffusionPipeline, defaults: Defaults) -> Defaults:
    """The size that the weights were trained at (`sample_size` latents), and the steps of distilled ones."""
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    return distilled.schedule(pipeline, replace(defaults, width=side, height=side))


CHANGE = Recipe(
    "StableDiffusionImg2ImgPipeline", image_to_image, DEFAULTS, COMMON | {Parameter.STRENGTH}, images=(1, 1)
)
INPAINT = Recipe("StableDiffusionInpaintPipeline", inpaint, DEFAULTS, COMMON | {Parameter.STRENGTH}, images=(1, 1))
RECIPES: Mapping[Work, Recipe] = MappingProxyType(
    {
        Work.GENERATE: Recipe("StableDiffusionPipeline", generate, DEFAULTS, COMMON),
        Work.EDIT: CHANGE,
        Work.VARIATION: CHANGE,
        Work.INPAINT: INPAINT,
    }
)
FAMILY = Family(
    "sd15",
    # A model that was trained to inpaint takes nine channels and does nothing else.
    {"StableDiffusionPipeline": RECIPES, "StableDiffusionInpaintPipeline": {Work.INPAINT: INPAINT}},
    decode=decode,
    tune=tune,
    suit=distilled.suit,
)
