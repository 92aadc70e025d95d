"""InstructPix2Pix: a picture and what to do with it."""

from images.diffusers.server.families import inputs, sd15
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Work

DEFAULTS = Defaults(width=512, height=512, steps=50, guidance=7.5)
HONOURS = frozenset(
    {Parameter.NEGATIVE_PROMPT, Parameter.GUIDANCE, Parameter.SCHEDULER, Parameter.LORAS}
    | {Parameter.IP_ADAPTER, Parameter.SIZE}
)
# How closely the picture is followed; below 1 the pipeline guides by nothing at all.
FIDELITY = "image_guidance_scale"


def edit(batch: Batch) -> dict[str, object]:
    first = batch.first
    return {
        "prompt": batch.prompts,
        "negative_prompt": batch.negative_prompts,
        "image": inputs.pictures(batch),
        "num_inference_steps": first.steps,
        "guidance_scale": first.guidance,
        FIDELITY: first.extras.get(FIDELITY, 1.5),
    }


FAMILY = Family(
    "instruct-pix2pix",
    {
        "StableDiffusionInstructPix2PixPipeline": {
            Work.EDIT: Recipe(
                "StableDiffusionInstructPix2PixPipeline",
                edit,
                DEFAULTS,
                HONOURS,
                images=(1, 1),
                extras={FIDELITY: (1.0, 10.0)},
            )
        }
    },
    decode=sd15.decode,
    tune=sd15.tune,
)
