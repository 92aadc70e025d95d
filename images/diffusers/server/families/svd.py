"""Stable Video Diffusion: a picture begins to move. It follows no prompt."""

from dataclasses import replace

from diffusers import DiffusionPipeline

from images.diffusers.server.families import clips
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Work

# The schedule is part of these weights: their UNet is told the logarithm of the noise, which Euler alone knows here.
HONOURS = frozenset(
    {Parameter.GUIDANCE, Parameter.SIZE, Parameter.FRAMES, Parameter.FPS, Parameter.MOTION, Parameter.NOISE}
)
DEFAULTS = Defaults(width=1024, height=576, steps=25, guidance=3.0, frames=14, fps=7)
# Guidance of the first frame; it grows evenly to `guidance_scale` at the last.
FIRST_GUIDANCE = "min_guidance_scale"
# Frames that are decoded at once: more are steadier and take more memory.
DECODED_AT_ONCE = "decode_chunk_size"


def animate(batch: Batch) -> dict[str, object]:
    first = batch.first
    return {
        "image": clips.opening(batch),
        "width": first.width,
        "height": first.height,
        "num_frames": first.frames,
        "num_inference_steps": first.steps,
        "min_guidance_scale": first.extras.get(FIRST_GUIDANCE, min(1.0, first.guidance)),
        "max_guidance_scale": first.guidance,
        "fps": first.fps,
        "motion_bucket_id": first.extras.get(Parameter.MOTION.value, 127),
        "noise_aug_strength": first.extras.get(Parameter.NOISE.value, 0.02),
        "decode_chunk_size": int(first.extras.get(DECODED_AT_ONCE, 8)),
    }


def suit(pipeline: DiffusionPipeline, recipe: Recipe) -> Recipe:
    """The UNet halves the latents once for every block after the first."""
    halvings = len(pipeline.unet.config.block_out_channels) - 1
    return replace(recipe, multiple=pipeline.vae_scale_factor * 2**halvings)


def tune(pipeline: DiffusionPipeline, defaults: Defaults) -> Defaults:
    """The frames that the UNet was trained with, and the size of small ones; its configuration knows squares alone."""
    config = pipeline.unet.config
    side = config.sample_size * pipeline.vae_scale_factor
    if side >= defaults.height:
        return replace(defaults, frames=config.num_frames)
    return replace(defaults, width=side, height=side, frames=config.num_frames)


FAMILY = Family(
    "svd",
    {
        "StableVideoDiffusionPipeline": {
            Work.VIDEO: Recipe(
                "StableVideoDiffusionPipeline",
                animate,
                DEFAULTS,
                HONOURS,
                images=(1, 1),
                multiple=64,
                batches=False,
                extras={FIRST_GUIDANCE: (0, 20), DECODED_AT_ONCE: (1, 64)},
                prompt=False,
            )
        }
    },
    suit=suit,
    tune=tune,
)
