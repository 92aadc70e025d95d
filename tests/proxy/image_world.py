"""The proxy's world with an image engine behind the model `painter`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from tests.fakes.image_engine import FakeImageEngine, ImageKnobs
from tests.fakes.pictures import png
from tests.proxy.world import World, world

GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"
BOUNDARY = b"edge"
FORM = "content-type: multipart/form-data; boundary=edge"


@dataclass
class ImageWorld:
    """`painter` is ready at `engine`."""

    world: World
    engine: FakeImageEngine

    @property
    def client(self) -> AsyncOpenAI:
        return self.world.client


@asynccontextmanager
async def image_world(
    folder: Path,
    knobs: ImageKnobs | None = None,
    **settings: Any,  # noqa: ANN401
) -> AsyncIterator[ImageWorld]:
    """The whole path, ready to be asked for pictures."""
    async with FakeImageEngine(knobs) as engine, world(folder, **settings) as w:
        w.manager.endpoints["painter"] = engine.url
        yield ImageWorld(w, engine)


def part(name: str, value: bytes, *lines: bytes, filename: str | None = None) -> bytes:
    """A part of a form, with its boundary before it."""
    disposition = f'content-disposition: form-data; name="{name}"'.encode()
    if filename is not None:
        disposition += f'; filename="{filename}"'.encode()
    return b"\r\n".join((b"--" + BOUNDARY, disposition, *lines, b"", value)) + b"\r\n"


def form(*parts: bytes) -> bytes:
    """Parts -> a whole form."""
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


PICTURE = part("image", png(), b"content-type: image/png", filename="a.png")
EDIT = (part("model", b"painter"), part("prompt", b"a hat"), PICTURE)
