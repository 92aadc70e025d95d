"""A picture -> the bytes of a file that says how it was made. The same picture and words give the same bytes."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from contract.images import Format
from images.diffusers.server.errors import failed

COMPRESS_LEVEL = 6
WEBP_METHOD = 4
FULL = 100
# JPEG from this quality on keeps the colours of every pixel.
COLOURS_FROM = 90
SEGMENT_MOST = 65_000
PROMPTS = frozenset({"prompt", "negative_prompt"})
EXIF_IFD, USER_COMMENT, ASCII = 0x8769, 0x9286, b"ASCII\x00\x00\x00"


@dataclass(frozen=True)
class Shape:
    """The file that is wanted; `quality` is 0 to 100."""

    format: Format
    quality: int = FULL


def encode(image: Image.Image, shape: Shape, how: Mapping[str, object] | None) -> bytes:
    """The file, with `how` in it, where there is any, as JSON. Raises ApiError 500 where it cannot be written."""
    out = io.BytesIO()
    try:
        if shape.format == "png":
            image.save(out, "PNG", compress_level=COMPRESS_LEVEL, pnginfo=_chunks(how))
        elif shape.format == "webp":
            lossless = shape.quality == FULL
            image.save(out, "WEBP", quality=shape.quality, lossless=lossless, method=WEBP_METHOD, exif=_exif(how))
        else:
            sampling = 0 if shape.quality >= COLOURS_FROM else 2
            image.save(out, "JPEG", quality=max(1, shape.quality), subsampling=sampling, exif=_exif(how))
    except (OSError, ValueError) as error:
        raise failed("encoding the picture", error) from error
    return out.getvalue()


def as_json(how: Mapping[str, object]) -> str:
    return json.dumps(how, sort_keys=True)


def _chunks(how: Mapping[str, object] | None) -> PngInfo:
    """`parameters` as many tools read it, and all of it as JSON under `roundhouse`."""
    info = PngInfo()
    if how is None:
        return info
    info.add_itxt("parameters", parameters(how))
    info.add_text("roundhouse", as_json(how))
    return info


def _exif(how: Mapping[str, object] | None) -> bytes:
    """With all of it, or without the prompts where they would not fit into the 64 KiB of a JPEG's segment."""
    if how is None:
        return Image.Exif().tobytes()
    data = _comment(how)
    if len(data) < SEGMENT_MOST:
        return data
    return _comment({name: value for name, value in how.items() if name not in PROMPTS})


def _comment(how: Mapping[str, object]) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = ASCII + as_json(how).encode("ascii")
    return exif.tobytes()


def parameters(how: Mapping[str, object]) -> str:
    """The three lines in which the tools of Stable Diffusion tell how a picture was made."""
    lines = [str(how["prompt"])]
    if how.get("negative_prompt"):
        lines.append(f"Negative prompt: {how['negative_prompt']}")
    rest = {
        "Steps": how["steps"],
        "Sampler": how["scheduler"],
        "CFG scale": how["guidance"],
        "Seed": how["seed"],
        "Size": f"{how['width']}x{how['height']}",
        "Model": how["model"],
        "Model hash": how["revision"],
        "Denoising strength": how.get("strength"),
    }
    lines.append(", ".join(f"{name}: {value}" for name, value in rest.items() if value is not None))
    return "\n".join(lines)
