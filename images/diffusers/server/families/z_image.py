"""Z-Image and Z-Image-Turbo: text to image, image to image, inpainting."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from diffusers import DiffusionPipeline

from images.diffusers.server.families import inputs, sd3
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Work

COMMON = frozenset({Parameter.NEGATIVE_PROMPT, Parameter.GUIDANCE, Parameter.LORAS, Parameter.SIZE})
DEFAULTS = Defaults(width=1024, height=1024, steps=50, guidance=4.0)
# The shift of the schedule that the distilled weights are published with.
TURBO_SHIFT = 3.0


def _common(batch: Batch) -> dict[str, object]:
    return {
        "prompt": batch.prompts,
        "negative_prompt": batch.negative_prompts,
        "num_inference_steps": batch.first.steps,
        "guidance_scale": batch.first.guidance,
    } | inputs.size(batch)


def generate(batch: Batch) -> dict[str, object]:
    return _common(batch)


def image_to_image(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.flow_changed(batch)


def inpaint(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.flow_painted(batch)


def tune(pipeline: DiffusionPipeline, defaults: Defaults) -> Defaults:
    turbo = inputs.called(pipeline, ["turbo"]) or pipeline.scheduler.config.shift == TURBO_SHIFT
    return replace(defaults, steps=9, guidance=0.0) if turbo else defaults


GENERATE = Recipe("ZImagePipeline", generate, DEFAULTS, COMMON, multiple=16)
CHANGE = replace(
    GENERATE,
    pipeline="ZImageImg2ImgPipeline",
    arguments=image_to_image,
    honours=COMMON | {Parameter.STRENGTH},
    images=(1, 1),
)
RECIPES: Mapping[Work, Recipe] = MappingProxyType(
    {
        Work.GENERATE: GENERATE,
        Work.EDIT: CHANGE,
        Work.VARIATION: CHANGE,
        Work.INPAINT: replace(CHANGE, pipeline="ZImageInpaintPipeline", arguments=inpaint),
    }
)
# Its latents are scaled and shifted as Stable Diffusion 3's are.
FAMILY = Family("z-image", {"ZImagePipeline": RECIPES}, decode=sd3.decode, tune=tune)
