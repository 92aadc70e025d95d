"""FLUX.2 klein: text to image, edits by instruction with several pictures, inpainting."""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from types import MappingProxyType

import torch
from diffusers import DiffusionPipeline
from PIL import ImageOps
from PIL.Image import Image, Resampling

from images.diffusers.server.families import inputs
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Task, Work

COMMON = frozenset({Parameter.GUIDANCE, Parameter.LORAS, Parameter.SIZE})
DEFAULTS = Defaults(width=1024, height=1024, steps=50, guidance=4.0)
# The pipeline refuses pictures with a shorter side, or a longer shape, and makes those with more pixels smaller.
SHORTEST_SIDE = 64
LONGEST_SHAPE = 8
MOST_PIXELS = 1024 * 1024


def generate(batch: Batch) -> dict[str, object]:
    return {
        "prompt": batch.prompts,
        "num_inference_steps": batch.first.steps,
        "guidance_scale": batch.first.guidance,
    } | inputs.size(batch)


def edit(batch: Batch) -> dict[str, object]:
    """All pictures of a request are seen by each of its tasks, so the list is the first one's."""
    return generate(batch) | {"image": [_seen(image) for image in batch.first.images]}


def _seen(image: Image) -> Image:
    wide, high = image.size
    wide, high = max(wide, ceil(high / LONGEST_SHAPE)), max(high, ceil(wide / LONGEST_SHAPE))
    scale = max(1.0, SHORTEST_SIDE / min(wide, high))
    size = (round(wide * scale), round(high * scale))
    return image if size == image.size else ImageOps.pad(image, size, Resampling.LANCZOS, "white")


def inpaint(batch: Batch) -> dict[str, object]:
    return generate(batch) | inputs.flow_painted(batch)


def decode(pipeline: DiffusionPipeline, latents: torch.Tensor, task: Task) -> list[Image]:
    """Packed, normalised latents (batch, h/16 * w/16, 128), row by row -> pictures."""
    vae, cell = pipeline.vae, pipeline.vae_scale_factor * 2
    latents = latents.permute(0, 2, 1).unflatten(2, (task.height // cell, task.width // cell))
    deviation = torch.sqrt(vae.bn.running_var + vae.config.batch_norm_eps)
    latents = latents.to(vae.dtype) * deviation.view(1, -1, 1, 1) + vae.bn.running_mean.view(1, -1, 1, 1)
    pictures = vae.decode(pipeline._unpatchify_latents(latents.to(vae.dtype)), return_dict=False)[0]
    return list(pipeline.image_processor.postprocess(pictures, output_type="pil"))


def suit(pipeline: DiffusionPipeline, recipe: Recipe) -> Recipe:
    """Distilled weights are not guided."""
    if not pipeline.config.is_distilled:
        return recipe
    defaults = replace(recipe.defaults, steps=4, guidance=1.0)
    return replace(recipe, defaults=defaults, honours=recipe.honours - {Parameter.GUIDANCE})


GENERATE = Recipe("Flux2KleinPipeline", generate, DEFAULTS, COMMON, multiple=16)
RECIPES: Mapping[Work, Recipe] = MappingProxyType(
    {
        Work.GENERATE: GENERATE,
        Work.EDIT: replace(GENERATE, arguments=edit, images=(1, 10)),
        Work.INPAINT: replace(
            GENERATE,
            pipeline="Flux2KleinInpaintPipeline",
            arguments=inpaint,
            honours=COMMON | {Parameter.STRENGTH},
            images=(1, 1),
            most_pixels=MOST_PIXELS,
        ),
    }
)
FAMILY = Family("flux2-klein", {"Flux2KleinPipeline": RECIPES}, decode=decode, suit=suit)
