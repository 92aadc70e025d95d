"""A request and its files -> tasks for the worker, with everything decided. Decodes pictures: for a thread."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from PIL import Image, ImageStat

from contract.images import SEED_MOST, PictureRequest, VideoRequest
from images.diffusers.server import refusals
from images.diffusers.server.drafting import Draft
from images.diffusers.server.errors import refused, unsupported
from images.diffusers.server.media import decoding, masks
from images.diffusers.server.media.decoding import Picture
from images.diffusers.server.offer import Offer
from images.diffusers.server.tasks import Parameter, Task, Work


@dataclass(frozen=True)
class Uploads:
    """The files that came with a request, undecoded; `param` is what the caller calls the pictures."""

    images: tuple[bytes, ...] = ()
    mask: bytes | None = None
    param: str = "image"


@dataclass(frozen=True)
class Kept:
    """What a mask protects: the picture and the mask, both in the size of the result."""

    before: Image.Image
    mask: Image.Image


@dataclass(frozen=True)
class Plan:
    """`honours` is what the recipe does with its tasks."""

    tasks: tuple[Task, ...]
    honours: frozenset[Parameter]
    kept: Kept | None = None


def pictures(request: PictureRequest, extras: Mapping[str, float], uploads: Uploads, work: Work, offer: Offer) -> Plan:
    """Raises ApiError 400 for what this model cannot do."""
    offer.check_name(request)
    refusals.check_file(request, offer.safety_checker)
    _check_early(work, uploads, offer)
    seen, mask = _decoded(uploads)
    if work is Work.EDIT:
        work, mask = (Work.INPAINT, mask) if mask is not None else _by_transparency(seen, offer)
    recipe = offer.recipe(work, len(seen))
    refusals.check_pictures(len(seen), recipe, uploads.param)
    draft = Draft(request, extras, work, recipe, offer)
    size = draft.size(seen[0].size if seen else None)
    if mask is None:
        images = tuple(picture.on_white() for picture in seen)
        return Plan(_several(draft.task(size, images, None), request.n), recipe.honours)
    # Where a picture's own transparency is the mask, nothing of it lies beneath.
    holed = uploads.mask is None
    first = _filled(seen[0]) if holed else seen[0].on_white()
    kept = Kept(*masks.fitted(first, mask, size))
    images = (kept.before, *(picture.on_white() for picture in seen[1:]))
    task = draft.task(size, images, kept.mask, strength=1.0 if holed else None)
    return Plan(_several(task, request.n), recipe.honours, kept)


def clip(request: VideoRequest, extras: Mapping[str, float], uploads: Uploads, offer: Offer) -> Plan:
    """Raises ApiError 400 for what this model cannot do."""
    offer.check_name(request)
    files = list(uploads.images)
    if request.image is not None:
        files.append(decoding.from_text(request.image, "image"))
    recipe = offer.recipe(Work.VIDEO, len(files))
    refusals.check_pictures(len(files), recipe, uploads.param)
    draft = Draft(request, extras, Work.VIDEO, recipe, offer)
    seen = decoding.decode_all(files, uploads.param)
    size = draft.size(seen[0].size if seen else None, grow=True)
    task = draft.task(size, tuple(picture.on_white() for picture in seen), None)
    return Plan((task,), recipe.honours)


def _check_early(work: Work, uploads: Uploads, offer: Offer) -> None:
    """What can be said before anything is decoded. Raises ApiError 400."""
    count = len(uploads.images)
    works = [each for each in ((Work.EDIT, Work.INPAINT) if work is Work.EDIT else (work,)) if offer.does(each)]
    recipes = [offer.recipe(each, count) for each in works or (work,)]
    if uploads.mask is not None and not offer.does(Work.INPAINT):
        raise unsupported("mask", "This model takes no mask; say in the prompt what to change.")
    if work is not Work.GENERATE and not count:
        raise refused("missing_required_parameter", f"{uploads.param} is missing.", uploads.param)
    refusals.check_pictures(count, max(recipes, key=lambda recipe: recipe.images[1]), uploads.param)


def _decoded(uploads: Uploads) -> tuple[list[Picture], Image.Image | None]:
    seen = decoding.decode_all(list(uploads.images), uploads.param)
    if uploads.mask is None:
        return seen, None
    return seen, masks.from_upload(decoding.decode(uploads.mask, "mask"), seen[0])


def _by_transparency(seen: list[Picture], offer: Offer) -> tuple[Work, Image.Image | None]:
    """An edit without a mask: one picture's transparent parts are one, where the model paints masks.

    So a picture is continued, too: the caller puts it on a larger transparent one. Elsewhere, transparent parts are
    white paper.
    """
    own = masks.from_transparency(seen[0]) if len(seen) == 1 else None
    if own is not None and offer.does(Work.INPAINT):
        return Work.INPAINT, own
    if not offer.does(Work.EDIT):
        message = "mask is missing: this model only paints anew what a mask marks."
        raise refused("missing_required_parameter", message, "mask")
    return Work.EDIT, None


def _filled(picture: Picture) -> Image.Image:
    """Its transparent parts in the mean colour of the rest: what lies beneath them is nobody's intention."""
    if picture.alpha is None or picture.alpha.getextrema()[1] == 0:
        return picture.on_white()
    visible = picture.alpha.point([0] + [255] * 255)
    mean = ImageStat.Stat(picture.colours, visible).mean
    paper = Image.new("RGB", picture.size, (round(mean[0]), round(mean[1]), round(mean[2])))
    return Image.composite(picture.colours, paper, picture.alpha)


def _several(task: Task, count: int) -> tuple[Task, ...]:
    """The same task with the seeds `seed`, `seed + 1`, ..."""
    return tuple(replace(task, seed=(task.seed + index) % (SEED_MOST + 1)) for index in range(count))
