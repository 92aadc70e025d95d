"""Frames of a clip -> the two small pictures that stand for it: its first frame, and frames of all its length."""

import base64
import io
from collections.abc import Sequence
from math import ceil, sqrt

from PIL import Image

from images.diffusers.server.errors import failed

THUMBNAIL = 512  # pixels of the longer side
TILE = 256
TILES_MOST = 16
QUALITY = 85


def thumbnail(frames: Sequence[Image.Image]) -> str:
    """The first frame as JPEG, base64. Raises ApiError 500 where it cannot be written."""
    return _jpeg(_small(frames[0], THUMBNAIL))


def spritesheet(frames: Sequence[Image.Image]) -> str:
    """At most TILES_MOST frames, evenly of all the length, row after row in a grid as square as can be; JPEG, base64.

    Raises ApiError 500 where it cannot be written.
    """
    count = min(TILES_MOST, len(frames))
    chosen = [_small(frames[index * len(frames) // count], TILE) for index in range(count)]
    columns = ceil(sqrt(count))
    width, height = chosen[0].size
    sheet = Image.new("RGB", (columns * width, ceil(count / columns) * height))
    for index, frame in enumerate(chosen):
        sheet.paste(frame, (index % columns * width, index // columns * height))
    return _jpeg(sheet)


def _small(frame: Image.Image, side: int) -> Image.Image:
    """At most so many pixels on its longer side; never larger than it is."""
    small = frame.convert("RGB")
    small.thumbnail((side, side))
    return small


def _jpeg(image: Image.Image) -> str:
    out = io.BytesIO()
    try:
        image.save(out, "JPEG", quality=QUALITY)
    except (OSError, ValueError) as error:
        raise failed("encoding a picture of the clip", error) from error
    return base64.b64encode(out.getvalue()).decode()
