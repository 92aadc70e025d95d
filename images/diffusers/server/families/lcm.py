"""Latent consistency models: four steps, guidance as an input of the UNet, no negative prompt."""

from images.diffusers.server.families import inputs, sd15
from images.diffusers.server.families.distilled import LCM_GUIDANCE
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Work

COMMON = frozenset({Parameter.GUIDANCE, Parameter.LORAS, Parameter.IP_ADAPTER, Parameter.SIZE})
DEFAULTS = Defaults(width=512, height=512, steps=4, guidance=LCM_GUIDANCE)
# Out of so many steps of the teacher the few are chosen.
TEACHER_STEPS = 50


def _common(batch: Batch, steps: int) -> dict[str, object]:
    return {
        "prompt": batch.prompts,
        "num_inference_steps": steps,
        "original_inference_steps": max(TEACHER_STEPS, steps),
        "guidance_scale": batch.first.guidance,
    }


def generate(batch: Batch) -> dict[str, object]:
    return _common(batch, batch.first.steps) | inputs.size(batch)


def image_to_image(batch: Batch) -> dict[str, object]:
    """All the steps are taken, within the part of the teacher's that `strength` leaves."""
    first = batch.first
    left = int(max(TEACHER_STEPS, first.steps) * first.strength)
    steps = max(1, min(first.steps, left))
    return _common(batch, steps) | {"image": inputs.pictures(batch), "strength": max(first.strength, 1 / TEACHER_STEPS)}


CHANGE = Recipe(
    "LatentConsistencyModelImg2ImgPipeline", image_to_image, DEFAULTS, COMMON | {Parameter.STRENGTH}, images=(1, 1)
)
FAMILY = Family(
    "lcm",
    {
        "LatentConsistencyModelPipeline": {
            Work.GENERATE: Recipe("LatentConsistencyModelPipeline", generate, DEFAULTS, COMMON),
            Work.EDIT: CHANGE,
            Work.VARIATION: CHANGE,
        }
    },
    decode=sd15.decode,
    tune=sd15.tune,
)
