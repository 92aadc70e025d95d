"""Masks: read from a picture's transparency, and what they protect put back untouched.

On the wire transparent is what is painted anew; for the pipelines white is.
"""

from PIL import Image, ImageOps

from images.diffusers.server.errors import invalid
from images.diffusers.server.media.decoding import Picture


def from_upload(mask: Picture, picture: Picture) -> Image.Image:
    """ "L", white where it is painted anew. Raises ApiError 400 for another size, or nothing transparent."""
    if mask.size != picture.size:
        raise invalid("mask", f"mask is {_size(mask.size)}, image is {_size(picture.size)}; they have to be the same.")
    if mask.alpha is None:
        raise invalid(
            "mask",
            "mask has no transparent part. Send a PNG with an alpha channel that is 0 where the picture is to be "
            "painted anew; a black and white mask has to be turned into one.",
        )
    return ImageOps.invert(mask.alpha)


def from_transparency(picture: Picture) -> Image.Image | None:
    """A picture's own transparent parts as the mask of what is painted anew."""
    return None if picture.alpha is None else ImageOps.invert(picture.alpha)


def put_back(made: Image.Image, before: Image.Image, mask: Image.Image) -> Image.Image:
    """`made` where the mask is white, `before` to the bit where it is black, and between them in between."""
    size = before.size
    made = made if made.size == size else made.resize(size, Image.Resampling.LANCZOS)
    return Image.composite(made.convert("RGB"), before, mask)


def fitted(picture: Image.Image, mask: Image.Image, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Both in the size of the result. A hard mask stays hard."""
    if picture.size == size:
        return picture, mask
    return picture.resize(size, Image.Resampling.LANCZOS), mask.resize(size, Image.Resampling.NEAREST)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
