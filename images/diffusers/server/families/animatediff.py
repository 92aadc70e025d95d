"""AnimateDiff: Stable Diffusion 1.5, whose frames a motion adapter holds together.

The model's folder is that of the base model with `motion_adapter` beside its parts; `model_index.json` names both.
"""

from dataclasses import replace

from diffusers import DiffusionPipeline

from images.diffusers.server.families import clips
from images.diffusers.server.families.family import Defaults, Family, Recipe
from images.diffusers.server.tasks import Work

DEFAULTS = Defaults(width=512, height=512, steps=25, guidance=7.5, frames=16, fps=8)


def suit(pipeline: DiffusionPipeline, recipe: Recipe) -> Recipe:
    """The adapter knows the places of so many frames."""
    return replace(recipe, most_frames=pipeline.motion_adapter.config.motion_max_seq_length)


def tune(pipeline: DiffusionPipeline, defaults: Defaults) -> Defaults:
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    return replace(defaults, width=side, height=side)


FAMILY = Family(
    "animatediff",
    {
        "AnimateDiffPipeline": {
            Work.VIDEO: Recipe("AnimateDiffPipeline", clips.told, DEFAULTS, clips.HONOURS, batches=False)
        }
    },
    suit=suit,
    tune=tune,
)
