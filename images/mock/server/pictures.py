"""Pictures of one colour, which comes of what was asked for: the same words, the same colour."""

import base64
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from contract.images import Format, Quality, Told
from images.mock.server.errors import refused

AUTO = (256, 256)
SIDE_MOST = 4096
GREY = 128

TOLD: Mapping[Quality, Told] = {
    "low": "low",
    "medium": "medium",
    "auto": "medium",
    "standard": "medium",
    "high": "high",
    "hd": "high",
    "xhigh": "xhigh",
    "max": "max",
}


@dataclass(frozen=True)
class Canvas:
    """What all pictures of a request have in common. Sizes are pixels."""

    colour: tuple[int, int, int]
    width: int
    height: int
    format: Format

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"

    def picture(self, done: float = 1.0) -> str:
        """The file as base64. `done` 0 to 1: the colour comes out of grey."""
        red, green, blue = (round(GREY + (part - GREY) * done) for part in self.colour)
        out = io.BytesIO()
        Image.new("RGB", (self.width, self.height), (red, green, blue)).save(out, self.format)
        return base64.b64encode(out.getvalue()).decode()


def canvas(prompt: str, given: tuple[bytes, ...], size: str, kind: Format) -> Canvas:
    """`given` are the pictures of an edit. Raises ApiError for a size beyond what is worth mocking."""
    digest = hashlib.sha256(prompt.encode())
    for picture in given:
        digest.update(picture)
    red, green, blue, *_ = digest.digest()
    width, height = AUTO if size == "auto" else map(int, size.split("x"))
    if max(width, height) > SIDE_MOST:
        raise refused("invalid_value", f"size: a side has at most {SIDE_MOST} pixels.", "size")
    return Canvas((red, green, blue), width, height, kind)
