"""Pictures for tests: drawn, encoded, taken out of answers, compared."""

import base64
import io
import struct
import zlib
from collections.abc import Mapping

from PIL import Image, ImageChops

OPAQUE, CLEAR = (0, 0, 0, 255), (0, 0, 0, 0)


def gradient(width: int = 64, height: int = 64, mode: str = "RGB") -> Image.Image:
    """No two rows and columns alike, so that a turned or shifted picture is seen to be one."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (across, down, Image.new("L", (width, height), 90))).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(width: int = 64, height: int = 64) -> bytes:
    return encoded(gradient(width, height))


def mask(width: int = 64, height: int = 64, hole: tuple[int, int, int, int] = (0, 0, 32, 32)) -> bytes:
    """Transparent, and so to be painted anew, inside `hole`."""
    image = Image.new("RGBA", (width, height), OPAQUE)
    image.paste(CLEAR, hole)
    return encoded(image)


def opened(b64: str | None) -> Image.Image:
    assert b64 is not None
    image = Image.open(io.BytesIO(base64.b64decode(b64)))
    image.load()
    return image


def same(left: Image.Image, right: Image.Image, box: tuple[int, int, int, int] | None = None) -> bool:
    """Whether every pixel agrees, inside `box` or everywhere."""
    pair = (left.convert("RGB"), right.convert("RGB"))
    one, other = (image if box is None else image.crop(box) for image in pair)
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header tells a size that its few bytes of data do not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


def words_of(image: Image.Image) -> Mapping[str, str]:
    """The text chunks of a PNG."""
    return {str(name): str(value) for name, value in getattr(image, "text").items()}  # noqa: B009 - of PNG alone
