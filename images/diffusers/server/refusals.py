"""Known parameters that this model cannot honour: refused by name, with what would work."""

from collections.abc import Iterator, Mapping

from contract.images import DiffusionRequest, PictureRequest, VideoRequest
from contract.prompts import says_something
from images.diffusers.server.errors import invalid, refused, unsupported
from images.diffusers.server.families.family import Recipe
from images.diffusers.server.tasks import Parameter, Work

# Fields of requests -> what a recipe has to honour for them. Sizes are decided in `sizes.py`.
NEEDS: Mapping[str, Parameter] = {
    "negative_prompt": Parameter.NEGATIVE_PROMPT,
    "guidance_scale": Parameter.GUIDANCE,
    "strength": Parameter.STRENGTH,
    "scheduler": Parameter.SCHEDULER,
    "loras": Parameter.LORAS,
    "controlnet": Parameter.CONTROLNET,
    "ip_adapter": Parameter.IP_ADAPTER,
    "num_frames": Parameter.FRAMES,
    "seconds": Parameter.FRAMES,
    "fps": Parameter.FPS,
    "motion_bucket_id": Parameter.MOTION,
    "noise_aug_strength": Parameter.NOISE,
}
NOUNS: Mapping[Work, str] = {
    Work.GENERATE: "make pictures from text",
    Work.EDIT: "change pictures",
    Work.INPAINT: "paint masked parts of pictures anew",
    Work.VARIATION: "vary pictures",
    Work.VIDEO: "make clips",
}


def check(request: DiffusionRequest, recipe: Recipe, guidance: float, extras: Mapping[str, float]) -> None:
    """Raises ApiError 400 for the first parameter that the recipe cannot honour."""
    for name in _asked(request):
        if NEEDS[name] not in recipe.honours:
            raise unsupported(name, f"This model cannot honour {name} here. {_instead(recipe)}")
    if request.negative_prompt and guidance <= recipe.negative_above:
        message = f"With guidance_scale {guidance:g} a negative_prompt changes nothing: it has to be more than"
        raise unsupported("negative_prompt", f"{message} {recipe.negative_above:g}.")
    prompt = getattr(request, "prompt", "")
    if prompt and not recipe.prompt:
        raise unsupported("prompt", "This model follows the picture alone, and no prompt; leave it out.")
    if recipe.prompt and not says_something(prompt) and isinstance(request, VideoRequest):
        raise refused("missing_required_parameter", "prompt is missing.", "prompt")
    _check_extras(extras, recipe)


def check_file(request: PictureRequest, safety_checker: bool) -> None:
    """Raises ApiError 400 where the file or its checks are asked for as they cannot be."""
    if request.output_format == "png" and request.output_compression is not None:
        raise unsupported(
            "output_compression", "PNG is always lossless; use output_format webp or jpeg, or leave it out."
        )
    if request.moderation == "low" and safety_checker:
        raise unsupported("moderation", "This model's safety checker has one setting; use auto.")
    if getattr(request, "stream", False):
        return
    for name in ("partial_images", "progress"):
        if getattr(request, name, 0):
            raise unsupported(name, f"{name} is for streams; set stream to true.")


def check_pictures(count: int, recipe: Recipe, param: str = "image") -> None:
    """Raises ApiError 400 for too few or too many."""
    least, most = recipe.images
    if count < least:
        raise refused("missing_required_parameter", f"{param} is missing: this model needs a picture.", param)
    if count > most:
        does = f"at most {most} picture{'s' * (most > 1)}" if most else "no picture"
        raise invalid(param, f"{count} pictures were sent; this model takes {does} here.")


def no_such_work(work: Work, can: Mapping[Work, Recipe]) -> Exception:
    does = ", and to ".join(NOUNS[each] for each in can)
    return refused("wrong_model_type", f"This model is not served to {NOUNS[work]}. It is served to {does}.", "model")


def _asked(request: DiffusionRequest) -> Iterator[str]:
    """What was said. Nothing but an empty list or text is the same as silence."""
    for name in NEEDS:
        if name in request.model_fields_set and getattr(request, name) not in (None, "", []):
            yield name


def _instead(recipe: Recipe) -> str:
    honoured = sorted(name for name, need in NEEDS.items() if need in recipe.honours)
    names = ", ".join([*honoured, *recipe.extras])
    return f"It honours {names}." if names else "It honours prompt, size, seed and num_inference_steps."


def _check_extras(extras: Mapping[str, float], recipe: Recipe) -> None:
    for name, value in extras.items():
        if name not in recipe.extras:
            raise unsupported(name, f"This model cannot honour {name} here. {_instead(recipe)}")
        least, most = recipe.extras[name]
        if not least <= value <= most:
            raise invalid(name, f"{name} has to be between {least:g} and {most:g}.")
