"""Wan 2.1 and 2.2: text to video, image to video. Of 2.2 the small model does both with one set of weights."""

from dataclasses import replace

from diffusers import DiffusionPipeline

from images.diffusers.server.families import clips, inputs
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Work

DEFAULTS = Defaults(width=832, height=480, steps=50, guidance=5.0, frames=81, fps=16)
# The second network of 2.2, which takes over where little noise is left, can be guided differently.
SECOND_GUIDANCE = "guidance_scale_2"
DISTILLED = ("stepdistill", "step-distill", "lightning", "lightx2v")


def _second(batch: Batch) -> dict[str, object]:
    extras = batch.first.extras
    return {SECOND_GUIDANCE: extras[SECOND_GUIDANCE]} if SECOND_GUIDANCE in extras else {}


def generate(batch: Batch) -> dict[str, object]:
    return clips.told(batch) | _second(batch)


def animate(batch: Batch) -> dict[str, object]:
    return clips.shown(batch) | _second(batch)


def suit(pipeline: DiffusionPipeline, recipe: Recipe) -> Recipe:
    """Sizes after the VAE, which differs; what the two networks and the small model of 2.2 can do more."""
    transformer = pipeline.transformer if pipeline.transformer is not None else pipeline.transformer_2
    recipe = replace(
        recipe,
        multiple=pipeline.vae_scale_factor_spatial * transformer.config.patch_size[1],
        frame_multiple=pipeline.vae_scale_factor_temporal,
        extras=recipe.extras if pipeline.config.boundary_ratio is not None else {},
    )
    if recipe.pipeline == TEXT.pipeline and pipeline.config.expand_timesteps:
        pictured = replace(recipe, pipeline=IMAGE.pipeline, arguments=animate, images=(1, 1))
        recipe = replace(recipe, images=(0, 1), pictured=pictured)
    return recipe


def tune(pipeline: DiffusionPipeline, defaults: Defaults) -> Defaults:
    if inputs.called(pipeline, DISTILLED):
        defaults = replace(defaults, steps=4, guidance=1.0)
    if pipeline.config.expand_timesteps:
        return replace(defaults, width=1280, height=704, frames=121, fps=24)
    return defaults


TEXT = Recipe(
    "WanPipeline",
    generate,
    DEFAULTS,
    clips.HONOURS,
    multiple=16,
    frame_multiple=4,
    batches=False,
    extras={SECOND_GUIDANCE: (0, 20)},
)
IMAGE = replace(TEXT, pipeline="WanImageToVideoPipeline", arguments=animate, images=(1, 1))
FAMILY = Family(
    "wan",
    {TEXT.pipeline: {Work.VIDEO: TEXT}, IMAGE.pipeline: {Work.VIDEO: IMAGE}},
    suit=suit,
    tune=tune,
)
