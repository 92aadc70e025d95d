"""One request and one recipe -> one task: what was asked for, and the model's defaults for the rest."""

import secrets
from collections.abc import Mapping

from PIL import Image

from contract.images import ControlPicture, DiffusionRequest, PictureRequest, Quality, VideoRequest
from images.diffusers.server import refusals, sizes
from images.diffusers.server.errors import invalid
from images.diffusers.server.families.family import Recipe
from images.diffusers.server.media import decoding
from images.diffusers.server.offer import Offer
from images.diffusers.server.sizes import Canvas, Size
from images.diffusers.server.tasks import Adapter, Control, Parameter, Task, Work

# What `quality` makes of the model's default number of steps.
FACTORS: Mapping[Quality, float] = {
    "low": 0.5,
    "medium": 1.0,
    "auto": 1.0,
    "standard": 1.0,
    "high": 1.5,
    "hd": 1.5,
    "xhigh": 2.0,
    "max": 2.0,
}
STEPS_MOST = 200
# Drawn seeds are numbers that every reader of JSON holds exactly.
DRAWN_SEEDS = 2**53
# Frames a second where neither request nor model says.
FPS = 8


class Draft:
    """Raises ApiError 400 where the recipe cannot honour the request."""

    def __init__(
        self, request: DiffusionRequest, extras: Mapping[str, float], work: Work, recipe: Recipe, offer: Offer
    ) -> None:
        self._request = request
        self._work = work
        self._recipe = recipe
        self._silent = offer.silent
        self._defaults = offer.model.defaults(work)
        given = request.guidance_scale
        self._guidance = self._defaults.guidance if given is None else given
        refusals.check(request, recipe, self._guidance, extras)
        self._extras = dict(extras) | self._motion()

    def size(self, picture: Size | None, grow: bool = False) -> Size:
        recipe, defaults = self._recipe, self._defaults
        canvas = Canvas(
            (defaults.width, defaults.height),
            recipe.multiple,
            min(sizes.AREA_MOST, recipe.most_pixels or sizes.AREA_MOST),
            Parameter.SIZE in recipe.honours,
            recipe.scale,
        )
        return sizes.decide(self._request.size, canvas, picture, grow)

    def task(
        self, size: Size, images: tuple[Image.Image, ...], mask: Image.Image | None, strength: float | None = None
    ) -> Task:
        """`strength` is what is used where the request says none; None is the model's default."""
        request = self._request
        frames, fps = self._length()
        return Task(
            work=self._work,
            prompt=getattr(request, "prompt", ""),
            width=size[0],
            height=size[1],
            steps=self._steps(),
            guidance=self._guidance,
            seed=secrets.randbelow(DRAWN_SEEDS) if request.seed is None else request.seed,
            negative_prompt=self._negative(),
            strength=self._strength(strength),
            scheduler=self._scheduler(),
            images=images,
            mask=mask,
            loras=tuple(Adapter(lora.name, lora.scale) for lora in request.loras),
            controlnet=_control(getattr(request, "controlnet", None), "controlnet"),
            ip_adapter=_control(getattr(request, "ip_adapter", None), "ip_adapter"),
            frames=frames,
            fps=fps,
            extras=self._extras,
        )

    def _steps(self) -> int:
        if self._request.num_inference_steps is not None:
            return self._request.num_inference_steps
        quality = self._request.quality if isinstance(self._request, PictureRequest) else "auto"
        # A half is rounded up, whatever is even.
        return max(1, min(STEPS_MOST, int(self._defaults.steps * FACTORS[quality] + 0.5)))

    def _strength(self, otherwise: float | None) -> float:
        if Parameter.STRENGTH not in self._recipe.honours:
            return 0.0
        asked: float | None = getattr(self._request, "strength", None)
        return next(value for value in (asked, otherwise, self._defaults.strength) if value is not None)

    def _negative(self) -> str:
        """The entry's own is left out where it would change nothing; a request's is refused there."""
        if self._request.negative_prompt is not None:
            return self._request.negative_prompt
        recipe = self._recipe
        honoured = Parameter.NEGATIVE_PROMPT in recipe.honours and self._guidance > recipe.negative_above
        return str(self._silent.get("negative_prompt", "")) if honoured else ""

    def _scheduler(self) -> str | None:
        if self._request.scheduler is not None or Parameter.SCHEDULER not in self._recipe.honours:
            return self._request.scheduler
        own = self._silent.get("scheduler")
        return None if own is None else str(own)

    def _motion(self) -> dict[str, float]:
        """What says how a picture moves: the request's word, or the entry's."""
        found: dict[str, float] = {}
        for parameter in (Parameter.MOTION, Parameter.NOISE):
            asked = getattr(self._request, parameter.value, None)
            value = self._silent.get(parameter.value) if asked is None else asked
            if parameter in self._recipe.honours and isinstance(value, int | float):
                found[parameter.value] = float(value)
        return found

    def _length(self) -> tuple[int, int]:
        """Frames, and frames a second. Raises ApiError 400 for a number of frames that cannot be."""
        request, recipe = self._request, self._recipe
        if not isinstance(request, VideoRequest):
            return 1, 0
        fps = request.fps or self._defaults.fps or FPS
        if request.num_frames is not None:
            if request.seconds is not None:
                raise invalid("seconds", "seconds and num_frames say the same; send one of them.")
            return sizes.check_frames(request.num_frames, recipe.frame_multiple, recipe.most_frames), fps
        if request.seconds is None:
            return self._defaults.frames, fps
        wanted = request.seconds * fps
        frames = sizes.frames_near(wanted, recipe.frame_multiple, recipe.most_frames)
        if abs(frames - wanted) > max(recipe.frame_multiple, 1):
            raise invalid(
                "seconds", f"seconds {request.seconds:g} at {fps} fps: this model makes {frames} frames of it."
            )
        return frames, fps


def _control(asked: ControlPicture | None, param: str) -> Control | None:
    if asked is None:
        return None
    where = f"{param}.image"
    picture = decoding.decode(decoding.from_text(asked.image, where), where)
    return Control(asked.name, picture.on_white(), asked.scale)
