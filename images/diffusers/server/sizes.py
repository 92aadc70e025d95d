"""Sizes of results: asked for, or made to suit the picture and the model. Pure; pixels throughout."""

from dataclasses import dataclass
from math import sqrt

from images.diffusers.server.errors import invalid, unsupported

SIDE_MOST = 4096
AREA_MOST = 3840 * 2160
# Below eight latents a side, models see nothing. Where a model's own size is less, that is the least.
SIDE_LEAST = 64

Size = tuple[int, int]


@dataclass(frozen=True)
class Canvas:
    """What a model can fill. `native` is the size it is at home in; both sides of any are divisible by `multiple`."""

    native: Size
    multiple: int
    area_most: int = AREA_MOST
    free: bool = True  # whether a request may name a size
    scale: int = 1  # over 1: an upscaler, whose result is that many times its picture

    @property
    def least(self) -> int:
        return _up(min(SIDE_LEAST, *self.native), self.multiple)

    @property
    def area(self) -> int:
        return min(self.native[0] * self.native[1], self.area_most)


def decide(asked: str, canvas: Canvas, picture: Size | None, grow: bool = False) -> Size:
    """The size of the result; `picture` is the first one's. Raises ApiError 400 with sizes that would do.

    `auto` without a picture is the model's own size; with one it is the picture's where that has at most the model's
    own area, and else the same shape in that area. `grow` brings a smaller one up to it.
    """
    own = _own(canvas, picture, grow)
    if asked == "auto":
        return own
    width, height = (int(side) for side in asked.split("x"))
    if not canvas.free or canvas.scale > 1:
        if (width, height) != own:
            raise unsupported("size", f"This model makes {_text(own)} of this request; leave size out.")
        return own
    _check(canvas, width, height)
    return width, height


def _own(canvas: Canvas, picture: Size | None, grow: bool) -> Size:
    if picture is None or (not canvas.free and canvas.scale == 1):
        return canvas.native
    if canvas.scale > 1:
        return _upscaled(canvas, picture)
    factor = sqrt(canvas.area / (picture[0] * picture[1]))
    factor = factor if grow else min(1.0, factor)
    # A long thin picture must not become longer than a side may be.
    factor = min(factor, SIDE_MOST / max(picture))
    return _near(picture[0] * factor, canvas), _near(picture[1] * factor, canvas)


def _upscaled(canvas: Canvas, picture: Size) -> Size:
    width, height = (side * canvas.scale for side in picture)
    if width * height > AREA_MOST or max(width, height) > SIDE_MOST:
        raise invalid(
            "image", f"image is {_text(picture)}, and would become {_text((width, height))}: send a smaller one."
        )
    return width - width % canvas.multiple, height - height % canvas.multiple


def _check(canvas: Canvas, width: int, height: int) -> None:
    if max(width, height) > SIDE_MOST or width * height > canvas.area_most:
        raise invalid(
            "size",
            f"size {width}x{height} is too large: at most {canvas.area_most} pixels are made, {SIDE_MOST} a side.",
        )
    if min(width, height) < canvas.least:
        raise invalid(
            "size", f"size {width}x{height} is too small for this model: each side is at least {canvas.least}."
        )
    step = canvas.multiple
    if width % step or height % step:
        below = (max(width - width % step, canvas.least), max(height - height % step, canvas.least))
        above = (_up(width, step), _up(height, step))
        raise invalid(
            "size",
            f"size {width}x{height}: both sides have to be divisible by {step}. "
            f"The nearest sizes are {_text(below)} and {_text(above)}.",
        )


def _near(side: float, canvas: Canvas) -> int:
    return max(canvas.least, round(side / canvas.multiple) * canvas.multiple)


def _up(side: int, step: int) -> int:
    return -(-side // step) * step


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def frames_near(frames: float, multiple: int, most: int | None) -> int:
    """The number of frames closest to the wanted one that a model can make: any, or a multiple of `multiple` plus 1."""
    if multiple <= 1:
        return max(1, min(round(frames), most or round(frames)))
    groups = max(1, round((frames - 1) / multiple))
    if most is not None:
        groups = min(groups, (most - 1) // multiple)
    return groups * multiple + 1


def check_frames(frames: int, multiple: int, most: int | None) -> int:
    """Raises ApiError 400 with the nearest number of frames that would do."""
    near = frames_near(frames, multiple, most)
    if most is not None and frames > most:
        raise invalid("num_frames", f"num_frames {frames}: this model makes at most {most} frames; use {near}.")
    if multiple > 1 and (frames - 1) % multiple and frames != 1:
        raise invalid("num_frames", f"num_frames {frames}: it has to be a multiple of {multiple} plus 1, as {near} is.")
    return frames
