"""CogVideoX 1.0 and 1.5: text to video, and other weights for image to video."""

from dataclasses import replace

from diffusers import DiffusionPipeline

from images.diffusers.server.families import clips
from images.diffusers.server.families.family import Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Work

DEFAULTS = Defaults(width=720, height=480, steps=50, guidance=6.0, frames=49, fps=8)
# What 1.5 was trained with; its configuration gives the largest size alone.
FRAMES_15, FPS_15 = 81, 16


def suit(pipeline: DiffusionPipeline, recipe: Recipe) -> Recipe:
    """Learned positions are those of one size."""
    config = pipeline.transformer.config
    honours = recipe.honours - {Parameter.SIZE} if config.use_learned_positional_embeddings else recipe.honours
    return replace(recipe, honours=honours, multiple=pipeline.vae_scale_factor_spatial * config.patch_size)


def tune(pipeline: DiffusionPipeline, defaults: Defaults) -> Defaults:
    config = pipeline.transformer.config
    later = config.patch_size_t is not None
    return replace(
        defaults,
        width=config.sample_width * pipeline.vae_scale_factor_spatial,
        height=config.sample_height * pipeline.vae_scale_factor_spatial,
        frames=FRAMES_15 if later else config.sample_frames,
        fps=FPS_15 if later else defaults.fps,
    )


TEXT = Recipe("CogVideoXPipeline", clips.told, DEFAULTS, clips.HONOURS, multiple=16, frame_multiple=8, batches=False)
IMAGE = replace(TEXT, pipeline="CogVideoXImageToVideoPipeline", arguments=clips.shown, images=(1, 1))
FAMILY = Family(
    "cogvideox",
    {TEXT.pipeline: {Work.VIDEO: TEXT}, IMAGE.pipeline: {Work.VIDEO: IMAGE}},
    suit=suit,
    tune=tune,
)
