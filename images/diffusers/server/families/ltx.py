"""LTX-Video: text and image to video on one set of weights; from 0.9.5 on with frames as conditions."""

from dataclasses import replace

from diffusers import DiffusionPipeline

from images.diffusers.server.families import clips, inputs
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Work

DEFAULTS = Defaults(width=704, height=480, steps=50, guidance=3.0, frames=161, fps=25)


def generate(batch: Batch) -> dict[str, object]:
    # VAEs from 0.9.1 on are told how much noise is left, and then take the last of it away; others do not read it.
    decoding = {"decode_timestep": 0.05, "decode_noise_scale": 0.025}
    return clips.told(batch) | {"frame_rate": batch.first.fps} | decoding


def animate(batch: Batch) -> dict[str, object]:
    return generate(batch) | {"image": clips.opening(batch)}


def tune(pipeline: DiffusionPipeline, defaults: Defaults) -> Defaults:
    return replace(defaults, steps=8, guidance=1.0) if inputs.called(pipeline, ("distilled",)) else defaults


def _text(pipeline: str, honours: frozenset[Parameter]) -> Recipe:
    return Recipe(pipeline, generate, DEFAULTS, honours, multiple=32, frame_multiple=8, batches=False)


def _pictured(recipe: Recipe, pipeline: str) -> Recipe:
    image = replace(recipe, pipeline=pipeline, arguments=animate, images=(1, 1))
    return replace(recipe, images=(0, 1), pictured=image)


# Both hand their own sigmas, or timesteps, to the scheduler, and all others than the model's would refuse them.
HONOURS = clips.HONOURS - {Parameter.SCHEDULER}
FIRST = _pictured(_text("LTXPipeline", HONOURS), "LTXImageToVideoPipeline")
CONDITION = _pictured(_text("LTXConditionPipeline", HONOURS), "LTXConditionPipeline")
FAMILY = Family(
    "ltx",
    {
        "LTXPipeline": {Work.VIDEO: FIRST},
        "LTXImageToVideoPipeline": {Work.VIDEO: FIRST},
        "LTXConditionPipeline": {Work.VIDEO: CONDITION},
    },
    tune=tune,
)
