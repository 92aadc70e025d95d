"""Uploaded bytes -> a picture. Its kind is seen from its first bytes and its size from its header, before any decode.

Every failure is ApiError 400 with the parameter's name; no message holds what a decoder said.
"""

import base64
import binascii
import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageOps

from images.diffusers.server.errors import invalid

# What a file begins with -> the one decoder that is tried on it.
MAGIC: Mapping[bytes, str] = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"RIFF": "WEBP"}
PIXELS_MOST = 40_000_000
SIDE_MOST = 16_384
PIXELS_OF_ALL_MOST = 100_000_000
DATA_URL = re.compile(r"data:image/[a-z0-9.+-]{1,32};base64,", re.IGNORECASE)
WHITE = (255, 255, 255)
# What decoders raise for broken files, by what was fed to them; Pillow has no one class for it.
BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError, MemoryError)
BROKEN_TOO = (Image.DecompressionBombError, Warning, ZeroDivisionError, AttributeError, NotImplementedError)


@dataclass(frozen=True)
class Picture:
    """An upright picture. `colours` is RGB; `alpha` is "L" of the same size where anything is not opaque, else None."""

    colours: Image.Image
    alpha: Image.Image | None

    @property
    def size(self) -> tuple[int, int]:
        return self.colours.size

    def on_white(self) -> Image.Image:
        """What is seen of it on white paper."""
        if self.alpha is None:
            return self.colours
        return Image.composite(self.colours, Image.new("RGB", self.size, WHITE), self.alpha)


def be_strict() -> None:
    """Makes Pillow's warnings about files errors, in the whole process: they tell of bombs and of broken parts."""
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    warnings.filterwarnings("error", category=UserWarning, module=r"PIL\.")


def decode(data: bytes, param: str) -> Picture:
    """Raises ApiError 400 for what is no single, whole picture of at most `PIXELS_MOST` pixels."""
    kind = next((kind for magic, kind in MAGIC.items() if data.startswith(magic)), None)
    if kind is None or (kind == "WEBP" and data[8:12] != b"WEBP"):
        raise invalid(param, f"{param} is not a PNG, JPEG or WebP file.")
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            _check(image, param)
            image.load()
            return _upright(image)
    except (*BROKEN, *BROKEN_TOO) as error:
        raise invalid(param, f"{param} is broken or cut short: it cannot be decoded as {kind}.") from error


def decode_all(files: list[bytes], param: str) -> list[Picture]:
    """One after the other, so that the memory of one decode is needed at a time."""
    pictures: list[Picture] = []
    for data in files:
        pictures.append(decode(data, param))
        if sum(picture.size[0] * picture.size[1] for picture in pictures) > PIXELS_OF_ALL_MOST:
            raise invalid(param, f"The pictures have more than {PIXELS_OF_ALL_MOST} pixels together.")
    return pictures


def from_text(text: str, param: str) -> bytes:
    """The bytes of a data URL or of bare base64. Raises ApiError 400; addresses of the network are not followed."""
    head = DATA_URL.match(text)
    if head is None and text[:16].lower().startswith(("http:", "https:", "data:", "file:", "ftp:", "blob:")):
        raise invalid(param, f"{param} has to be base64, or a data URL of a PNG, JPEG or WebP picture.")
    try:
        return base64.b64decode(text[head.end() if head else 0 :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(param, f"{param} is not valid base64.") from error


def _check(image: Image.Image, param: str) -> None:
    """From the header alone. Raises ApiError 400."""
    width, height = image.size
    if width * height > PIXELS_MOST or max(width, height) > SIDE_MOST:
        raise invalid(param, f"{param} is {width}x{height}; at most {PIXELS_MOST} pixels are taken.")
    if getattr(image, "n_frames", 1) > 1 or getattr(image, "is_animated", False):
        raise invalid(param, f"{param} is animated; send a single picture.")


def _upright(image: Image.Image) -> Picture:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16") or upright.mode == "I":
        # Sixteen bits of grey: the upper eight are what a screen shows.
        upright = upright.convert("I").point(lambda value: value / 256).convert("L")
    if not upright.has_transparency_data:
        return Picture(upright.convert("RGB"), None)
    full = upright.convert("RGBA")
    alpha = full.getchannel("A")
    return Picture(full.convert("RGB"), None if alpha.getextrema()[0] == 255 else alpha)
