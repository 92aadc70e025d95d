"""The program that decodes: pictures come in and go out by pipes, and what it dies of is the caller's picture.

It knows nothing of the rest, holds no secret, and may use so much memory and so many seconds. A request is one byte
that says what it is (BASE64 or raw, a SOUND or a picture, and whether that is to be SMALL), four bytes of length, and
the data; an answer is one byte (OK or REFUSED), four bytes of length, and a data URL or a code.

    python -I worker.py MEMORY PIXELS SECONDS
"""

import base64
import binascii
import io
import os
import resource
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

HEAD = struct.Struct(">BI")
BASE64, SOUND, SMALL = 1, 2, 4  # bits of a request's first byte
OK, REFUSED = 0, 1
FORMATS = ("PNG", "JPEG", "WEBP")
SMALL_SIDE = 384  # pixels
NICENESS = 5  # where it shares a core with the proxy, streams go first
TEXT_LIMIT = 64 * 2**10  # of a PNG's comments, unpacked

# All that the decoders raise of broken files: they have no exception of their own. What is not here ends the program.
DAMAGE: tuple[type[Exception], ...] = (OSError, SyntaxError, ArithmeticError, LookupError, ValueError, TypeError)
DAMAGE += (AttributeError, EOFError, MemoryError, RuntimeError, Warning, struct.error, zlib.error)

_PLAIN = {"1": "L", "L": "L", "LA": "RGBA", "PA": "RGBA", "RGBA": "RGBA", "La": "RGBA", "RGBa": "RGBA"}


class Refused(Exception):
    """The data is at fault; the text is the code of the answer."""


def main() -> int:
    """Answer until the pipe is closed."""
    memory, pixels, seconds = map(int, sys.argv[1:])
    prepare(memory, pixels)
    while True:
        head = sys.stdin.buffer.read(HEAD.size)
        if len(head) < HEAD.size:
            return 0
        kind, length = HEAD.unpack(head)
        allow_seconds(seconds)
        answer(sys.stdout.buffer, kind, sys.stdin.buffer.read(length))


def prepare(memory: int, pixels: int) -> None:
    """Bounds of this process and of the decoders. A warning of theirs is a refusal."""
    if sys.platform == "linux":  # where the system bounds it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)
    warnings.simplefilter("error")
    Image.MAX_IMAGE_PIXELS = pixels
    PngImagePlugin.MAX_TEXT_CHUNK = TEXT_LIMIT
    PngImagePlugin.MAX_TEXT_MEMORY = TEXT_LIMIT


def allow_seconds(seconds: int) -> None:
    """So much time of the processor for the next picture; past it the system ends this process."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + seconds, resource.RLIM_INFINITY))


def answer(out: BinaryIO, kind: int, data: bytes) -> None:
    try:
        status, body = OK, convert(kind, data)
    except Refused as error:
        status, body = REFUSED, str(error).encode()
    out.write(HEAD.pack(status, len(body)) + body)
    out.flush()


def convert(kind: int, data: bytes) -> bytes:
    """One file -> a data URL of what it holds. Raises Refused."""
    raw = from_base64(data) if kind & BASE64 else data
    if kind & SOUND:
        return sound(raw)
    return thumbnail(raw) if kind & SMALL else picture(raw)


def from_base64(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise Refused("not_base64") from error


def sound(data: bytes) -> bytes:
    """A sound is not decoded here: it must look like what it says it is, and goes on as it is."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return as_url(b"audio/wav", data)
    if data[:3] == b"ID3" or (len(data) > 2 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0):
        return as_url(b"audio/mpeg", data)
    raise Refused("not_a_sound")


def picture(data: bytes) -> bytes:
    """A PNG, JPEG or WEBP -> the same picture written anew: upright, its first frame, and no word beside it."""
    return made_anew(data, written)


def thumbnail(data: bytes) -> bytes:
    """The same, small, as WEBP."""
    return made_anew(data, written_small)


def made_anew(data: bytes, write: Callable[[Image.Image, bool], bytes]) -> bytes:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            require_size(image)
            image.load()
            return write(plain(ImageOps.exif_transpose(image)), image.format == "JPEG")
    except UnidentifiedImageError as error:
        raise Refused("not_a_picture") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused("too_many_pixels") from error
    except DAMAGE as error:
        raise Refused("damaged_picture") from error


def require_size(image: Image.Image) -> None:
    """Before a byte is decoded: Pillow warns past its bound and refuses past twice of it, we refuse past ours."""
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or 0):
        raise Refused("too_many_pixels")


def plain(image: Image.Image) -> Image.Image:
    """Grey, colour, or colour with transparency; eight bits each."""
    if image.mode.startswith(("I", "F")):
        return image.convert("F").point(lambda level: level / 256).convert("L")
    mode = "RGBA" if "transparency" in image.info else _PLAIN.get(image.mode, "RGB")
    return image if image.mode == mode else image.convert(mode)


def written(image: Image.Image, is_photo: bool) -> bytes:
    out = io.BytesIO()
    image.info.clear()
    if is_photo:
        image.save(out, "JPEG", quality=95, subsampling=0)
        return as_url(b"image/jpeg", out.getvalue())
    image.save(out, "PNG", compress_level=1)
    return as_url(b"image/png", out.getvalue())


def written_small(image: Image.Image, _: bool) -> bytes:
    """No side is longer than SMALL_SIDE."""
    out = io.BytesIO()
    image.info.clear()
    image.thumbnail((SMALL_SIDE, SMALL_SIDE))
    image.save(out, "WEBP", quality=80)
    return as_url(b"image/webp", out.getvalue())


def as_url(media_type: bytes, data: bytes) -> bytes:
    return b"data:" + media_type + b";base64," + base64.b64encode(data)


if __name__ == "__main__":
    sys.exit(main())
