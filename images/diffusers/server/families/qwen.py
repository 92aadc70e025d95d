"""Qwen-Image: text to image, image to image, inpainting."""

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
# The square of the sizes that the makers name.
DEFAULTS = Defaults(width=1328, height=1328, steps=50, guidance=4.0)
# Guidance takes a negative prompt, and one that is empty would leave the template's tail alone.
NOTHING = " "


def guided(batch: Batch) -> dict[str, object]:
    """What text to image and the edits have in common. `guidance_scale` is another thing in these pipelines."""
    arguments: dict[str, object] = {
        "prompt": batch.prompts,
        "num_inference_steps": batch.first.steps,
        "true_cfg_scale": batch.first.guidance,
    }
    if batch.first.guidance > 1:
        arguments["negative_prompt"] = [text or NOTHING for text in batch.negative_prompts]
    return arguments | inputs.size(batch)


def generate(batch: Batch) -> dict[str, object]:
    return guided(batch)


def image_to_image(batch: Batch) -> dict[str, object]:
    return guided(batch) | inputs.flow_changed(batch)


def inpaint(batch: Batch) -> dict[str, object]:
    return guided(batch) | inputs.flow_painted(batch)


def decode(pipeline: DiffusionPipeline, latents: torch.Tensor, task: Task) -> list[Image]:
    """Packed, normalised latents (batch, h/16 * w/16, 64) -> pictures. The VAE is a video's: one frame of it."""
    vae = pipeline.vae
    latents = pipeline._unpack_latents(latents, task.height, task.width, pipeline.vae_scale_factor).to(vae.dtype)
    latents = latents * _channels(vae.config.latents_std, latents) + _channels(vae.config.latents_mean, latents)
    pictures = vae.decode(latents, return_dict=False)[0][:, :, 0]
    return list(pipeline.image_processor.postprocess(pictures, output_type="pil"))


def _channels(values: list[float], latents: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=latents.dtype, device=latents.device).view(1, -1, 1, 1, 1)


GENERATE = Recipe("QwenImagePipeline", generate, DEFAULTS, COMMON, multiple=16)
CHANGE = replace(
    GENERATE,
    pipeline="QwenImageImg2ImgPipeline",
    arguments=image_to_image,
    honours=COMMON | {Parameter.STRENGTH},
    images=(1, 1),
)
RECIPES: Mapping[Work, Recipe] = MappingProxyType(
    {
        Work.GENERATE: GENERATE,
        Work.EDIT: CHANGE,
        Work.VARIATION: CHANGE,
        Work.INPAINT: replace(CHANGE, pipeline="QwenImageInpaintPipeline", arguments=inpaint),
    }
)
FAMILY = Family("qwen-image", {"QwenImagePipeline": RECIPES}, decode=decode)
