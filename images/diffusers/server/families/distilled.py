"""Weights of the Stable Diffusion architectures that were distilled to a few steps, known by their scheduler."""

from dataclasses import replace

from diffusers import DiffusionPipeline

from images.diffusers.server.families.family import Defaults, Recipe
from images.diffusers.server.tasks import Parameter

# Latent consistency models that take guidance as an input, and their distillers' value.
LCM_GUIDANCE = 8.5


def suit(pipeline: DiffusionPipeline, recipe: Recipe) -> Recipe:
    """Where guidance is an input of the UNet, nothing is computed that a negative prompt could change."""
    if not _embedded(pipeline):
        return recipe
    return replace(recipe, honours=recipe.honours - {Parameter.NEGATIVE_PROMPT})


def _embedded(pipeline: DiffusionPipeline) -> bool:
    return pipeline.unet.config.time_cond_proj_dim is not None


def schedule(pipeline: DiffusionPipeline, defaults: Defaults) -> Defaults:
    """The defaults with the steps and the guidance that LCM, turbo and lightning weights were made for."""
    name, config = type(pipeline.scheduler).__name__, pipeline.scheduler.config
    if name == "LCMScheduler":
        return replace(defaults, steps=4, guidance=LCM_GUIDANCE if _embedded(pipeline) else 1.0)
    # Zero-SNR models step from the end as well, but are not distilled.
    if config.get("timestep_spacing") != "trailing" or config.get("rescale_betas_zero_snr"):
        return defaults
    if name == "EulerAncestralDiscreteScheduler":  # turbo
        return replace(defaults, steps=1, guidance=0.0)
    if name in {"EulerDiscreteScheduler", "DDIMScheduler"}:  # lightning, Hyper-SD
        return replace(defaults, steps=4, guidance=0.0)
    return defaults
