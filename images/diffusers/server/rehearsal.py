"""The first task of all, which nobody asked for: it warms up what a request would otherwise wait for."""

import asyncio

from PIL import Image

from images.diffusers.server.families.family import Defaults, Recipe
from images.diffusers.server.jobs import Job
from images.diffusers.server.loading import LoadedModel
from images.diffusers.server.tasks import Parameter, Task, Work

# Eight latents a side: what the deepest UNets here halve three times.
SMALLEST = 64
STEPS = 2


def silent() -> Job:
    """A job that nobody listens to."""
    loop = asyncio.new_event_loop()
    loop.close()
    return Job((), 0, loop)


def task(model: LoadedModel) -> Task:
    """On a GPU at the model's own size, so that kernels are chosen for it; on the CPU as small as the family takes."""
    work, recipe = next(iter(model.recipes.items()))
    defaults = model.defaults(work)
    width, height = (defaults.width, defaults.height) if model.device.type == "cuda" else _smallest(recipe, defaults)
    images = tuple(Image.new("RGB", (width, height), "gray") for _ in range(recipe.images[0]))
    return Task(
        work=work,
        prompt="warming up",
        width=width,
        height=height,
        steps=STEPS,
        guidance=defaults.guidance,
        seed=0,
        strength=1.0,
        images=images,
        mask=Image.new("L", (width, height), "white") if work is Work.INPAINT else None,
        frames=recipe.frame_multiple + 1 if defaults.frames > 1 else 1,
        fps=defaults.fps,
    )


def _smallest(recipe: Recipe, defaults: Defaults) -> tuple[int, int]:
    if Parameter.SIZE not in recipe.honours and recipe.scale == 1:
        return defaults.width, defaults.height
    side = -(-SMALLEST // recipe.multiple) * recipe.multiple
    return min(side, defaults.width), min(side, defaults.height)
