"""Diffusion upscalers: four times as large after a prompt, twice as large in latent space.

A task's size is that of the result. The networks take sizes in steps, so a picture is first continued by its own edge,
and what comes of that is cut off again.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image as Images
from PIL.Image import Image, Resampling

from images.diffusers.server.families import sd15
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe, Steps
from images.diffusers.server.tasks import Parameter, Task, Work

HONOURS = frozenset({Parameter.NEGATIVE_PROMPT, Parameter.GUIDANCE})
# How much noise is put on the picture first: what it hides is drawn anew.
NOISE = "noise_level"


def continued(image: Image, step: int) -> Image:
    """The picture with its right and lower edges repeated, to sides that `step` divides."""
    right, below = -image.width % step, -image.height % step
    if not right and not below:
        return image
    return Images.fromarray(np.pad(np.asarray(image), ((0, below), (0, right), (0, 0)), mode="edge"))


def _given(batch: Batch, scale: int, step: int) -> dict[str, object]:
    def small(task: Task) -> Image:
        size = (task.width // scale, task.height // scale)
        image = task.images[0]
        return continued(image if image.size == size else image.resize(size, Resampling.LANCZOS), step)

    return {
        "prompt": batch.prompts,
        "negative_prompt": batch.negative_prompts,
        "image": [small(task) for task in batch.tasks],
        "num_inference_steps": batch.first.steps,
    }


def four_times(batch: Batch) -> dict[str, object]:
    first = batch.first
    level = int(first.extras.get(NOISE, 20))
    # A picture's pixels are latents here, which the UNet halves three times.
    return _given(batch, 4, 8) | {"guidance_scale": first.guidance, NOISE: level}


def twice(batch: Batch) -> dict[str, object]:
    # Without guidance at all the pipeline would drop the prompt.
    return _given(batch, 2, 64) | {"guidance_scale": max(batch.first.guidance, 1.0)}


def cut(task: Task, image: Image) -> Image:
    return image if image.size == (task.width, task.height) else image.crop((0, 0, task.width, task.height))


def decode(pipeline: DiffusionPipeline, latents: torch.Tensor, task: Task) -> list[Image]:
    pictures: Sequence[Image] = sd15.decode(pipeline, latents.to(pipeline.vae.dtype), task)
    return [cut(task, picture) for picture in pictures]


def suit(pipeline: DiffusionPipeline, recipe: Recipe) -> Recipe:
    if NOISE not in recipe.extras:
        return recipe
    return replace(recipe, extras={NOISE: (0, pipeline.config.max_noise_level)})


FOUR_TIMES = Recipe(
    "StableDiffusionUpscalePipeline",
    four_times,
    Defaults(width=512, height=512, steps=75, guidance=9.0),
    HONOURS | {Parameter.SCHEDULER, Parameter.LORAS},
    images=(1, 1),
    multiple=4,
    steps=Steps.LEGACY,
    extras={NOISE: (0, 350)},
    scale=4,
    finish=cut,
)
TWICE = replace(
    FOUR_TIMES,
    pipeline="StableDiffusionLatentUpscalePipeline",
    arguments=twice,
    defaults=Defaults(width=1024, height=1024, steps=20, guidance=1.0),
    honours=HONOURS,  # its steps are written for the model's own scheduler
    multiple=2,
    extras={},
    scale=2,
)
FAMILY = Family(
    "upscale",
    {recipe.pipeline: {Work.EDIT: recipe} for recipe in (FOUR_TIMES, TWICE)},
    decode=decode,
    suit=suit,
)
