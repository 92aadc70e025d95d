"""FLUX.1: dev and schnell, Kontext (edits by instruction), Fill (inpainting)."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from diffusers import DiffusionPipeline
from PIL.Image import Image

from images.diffusers.server.families import inputs
from images.diffusers.server.families.family import Arguments, Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Task, Work

COMMON = frozenset({Parameter.NEGATIVE_PROMPT, Parameter.GUIDANCE, Parameter.LORAS, Parameter.SIZE})
DEFAULTS = Defaults(width=1024, height=1024, steps=28, guidance=3.5)
MULTIPLE = 16
# What schnell was trained with; the others take 512 tokens, the pipelines' own default.
SCHNELL_TOKENS = 256
# `guidance_scale` is an input of the weights here. True guidance, which costs a second pass, is what a negative prompt
# needs, and is taken where there is one.
TRUE_GUIDANCE = "true_cfg_scale"
TRUE_GUIDANCE_DEFAULT = 2.0


def _common(batch: Batch) -> dict[str, object]:
    arguments: dict[str, object] = {
        "prompt": batch.prompts,
        "num_inference_steps": batch.first.steps,
        "guidance_scale": batch.first.guidance,
    }
    return arguments | inputs.size(batch)


def _true_guidance(batch: Batch) -> dict[str, object]:
    given = batch.first.extras.get(TRUE_GUIDANCE, TRUE_GUIDANCE_DEFAULT if any(batch.negative_prompts) else 1.0)
    return {TRUE_GUIDANCE: given, "negative_prompt": batch.negative_prompts} if given > 1 else {}


def generate(batch: Batch) -> dict[str, object]:
    return _common(batch) | _true_guidance(batch)


def image_to_image(batch: Batch) -> dict[str, object]:
    return generate(batch) | inputs.flow_changed(batch)


def inpaint(batch: Batch) -> dict[str, object]:
    return generate(batch) | inputs.flow_painted(batch)


def _own_size(batch: Batch) -> dict[str, object]:
    # Kontext would bring every picture to a megapixel, whatever was asked for.
    return {"max_area": batch.first.width * batch.first.height, "_auto_resize": False}


def kontext(batch: Batch) -> dict[str, object]:
    return generate(batch) | _own_size(batch)


def kontext_edit(batch: Batch) -> dict[str, object]:
    seen = [inputs.reference(task.images[0], task, MULTIPLE) for task in batch.tasks]
    return kontext(batch) | {"image": seen}


def kontext_inpaint(batch: Batch) -> dict[str, object]:
    return inpaint(batch) | _own_size(batch)


def fill(batch: Batch) -> dict[str, object]:
    return _common(batch) | inputs.flow_painted(batch)


def decode(pipeline: DiffusionPipeline, latents: torch.Tensor, task: Task) -> list[Image]:
    """Packed latents (batch, h/16 * w/16, 64) -> pictures."""
    vae = pipeline.vae
    latents = pipeline._unpack_latents(latents, task.height, task.width, pipeline.vae_scale_factor)
    latents = latents.to(vae.dtype) / vae.config.scaling_factor + vae.config.shift_factor
    pictures = vae.decode(latents, return_dict=False)[0]
    return list(pipeline.image_processor.postprocess(pictures, output_type="pil"))


def suit(pipeline: DiffusionPipeline, recipe: Recipe) -> Recipe:
    """schnell's weights have no input for guidance."""
    if pipeline.transformer.config.guidance_embeds:
        return recipe
    return replace(
        recipe,
        arguments=_short(recipe.arguments),
        defaults=replace(recipe.defaults, steps=4, guidance=0.0),
        honours=recipe.honours - {Parameter.GUIDANCE},
    )


def _short(arguments: Arguments) -> Arguments:
    return lambda batch: arguments(batch) | {"max_sequence_length": SCHNELL_TOKENS}


GENERATE = Recipe(
    "FluxPipeline",
    generate,
    DEFAULTS,
    COMMON,
    multiple=MULTIPLE,
    extras={TRUE_GUIDANCE: (1.1, 20.0)},
    negative_above=-1.0,
)
CHANGE = replace(
    GENERATE,
    pipeline="FluxImg2ImgPipeline",
    arguments=image_to_image,
    honours=COMMON | {Parameter.STRENGTH},
    images=(1, 1),
)
INPAINT = replace(CHANGE, pipeline="FluxInpaintPipeline", arguments=inpaint)
KONTEXT = replace(GENERATE, pipeline="FluxKontextPipeline", arguments=kontext, defaults=replace(DEFAULTS, guidance=2.5))
FILL = replace(
    INPAINT,
    pipeline="FluxFillPipeline",
    arguments=fill,
    defaults=replace(DEFAULTS, steps=50, guidance=30.0, strength=1.0),
    honours=INPAINT.honours - {Parameter.NEGATIVE_PROMPT},
    extras={},
)
RECIPES: Mapping[str, Mapping[Work, Recipe]] = MappingProxyType(
    {
        "FluxPipeline": {
            Work.GENERATE: GENERATE,
            Work.EDIT: CHANGE,
            Work.VARIATION: CHANGE,
            Work.INPAINT: INPAINT,
        },
        "FluxKontextPipeline": {
            Work.GENERATE: KONTEXT,
            Work.EDIT: replace(KONTEXT, arguments=kontext_edit, images=(1, 1)),
            Work.INPAINT: replace(
                INPAINT,
                pipeline="FluxKontextInpaintPipeline",
                arguments=kontext_inpaint,
                defaults=replace(KONTEXT.defaults, strength=1.0),
            ),
        },
        "FluxFillPipeline": {Work.INPAINT: FILL},
    }
)
FAMILY = Family("flux", RECIPES, decode=decode, suit=suit)
