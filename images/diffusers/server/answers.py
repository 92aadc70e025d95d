"""What the worker made -> what the caller gets. Encoding takes time, so it is done in a thread."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from typing import TypedDict

from PIL import Image

from contract.images import (
    DiffusionRequest,
    ImagesResponse,
    PictureData,
    PictureRequest,
    Quality,
    Told,
)
from images.diffusers.server.jobs import Made, Preview, Step
from images.diffusers.server.media import encoding, masks
from images.diffusers.server.media.encoding import Shape
from images.diffusers.server.planning import Kept, Plan
from images.diffusers.server.tasks import Parameter, Task

Events = AsyncIterator[Step | Preview | Made]
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


class How(TypedDict):
    """The fields of `contract.images.Made`."""

    seed: int
    scheduler: str
    steps: int
    guidance: float
    revision: str
    flagged: bool
    strength: float | None


@dataclass(frozen=True)
class Scribe:
    """Writes the answers to one request. `name` and `revision` are the model's."""

    plan: Plan
    name: str
    revision: str

    def how(self, made: Made) -> How:
        task = made.task
        return How(
            seed=task.seed,
            scheduler=made.scheduler,
            steps=task.steps,
            guidance=task.guidance,
            revision=self.revision,
            flagged=made.flagged,
            strength=task.strength if Parameter.STRENGTH in self.plan.honours else None,
        )

    def inside(self, made: Made) -> dict[str, object]:
        """What the file itself says: the answer's words, and what was asked for."""
        task = made.task
        asked: dict[str, object] = {
            "model": self.name,
            "work": task.work.value,
            "prompt": task.prompt,
            "negative_prompt": task.negative_prompt or None,
            "width": made.frames[0].width,
            "height": made.frames[0].height,
            "loras": [asdict(lora) for lora in task.loras] or None,
            "controlnet": task.controlnet and task.controlnet.name,
            "ip_adapter": task.ip_adapter and task.ip_adapter.name,
            **_length(task),
            **task.extras,
        }
        return {name: value for name, value in (asked | self.how(made)).items() if value is not None}

    async def picture(self, made: Made, shape: Shape) -> tuple[str, str]:
        """Base64 of the file, and its size as text."""
        # What the safety checker blackened stays black.
        return await asyncio.to_thread(_file, made, shape, self.inside(made), None if made.flagged else self.plan.kept)

    async def sketch(self, preview: Preview, shape: Shape) -> tuple[str, str]:
        return await asyncio.to_thread(_sketch, preview.image, shape, self.plan.kept)


def _length(task: Task) -> dict[str, object]:
    return {"frames": task.frames, "fps": task.fps} if task.frames > 1 else {}


def _file(made: Made, shape: Shape, inside: Mapping[str, object], kept: Kept | None) -> tuple[str, str]:
    image = _kept(made.frames[0], kept)
    data = encoding.encode(image, shape, inside)
    return base64.b64encode(data).decode(), f"{image.width}x{image.height}"


def _kept(image: Image.Image, kept: Kept | None) -> Image.Image:
    return image if kept is None else masks.put_back(image, kept.before, kept.mask)


def _sketch(image: Image.Image, shape: Shape, kept: Kept | None) -> tuple[str, str]:
    """A preview: a file that says nothing of itself."""
    image = _kept(image, kept)
    return base64.b64encode(encoding.encode(image, shape, None)).decode(), f"{image.width}x{image.height}"


def shape_of(request: PictureRequest) -> Shape:
    quality = request.output_compression
    return Shape(request.output_format, encoding.FULL if quality is None else quality)


def caller_of(request: DiffusionRequest) -> str | None:
    """Whom answers name: the identifier, else the older `user`."""
    return request.safety_identifier or request.user or None


async def plain(request: PictureRequest, scribe: Scribe, events: Events) -> ImagesResponse:
    """All pictures, in the order of their seeds."""
    shape, data, size = shape_of(request), dict[int, PictureData](), ""
    async for event in events:
        if isinstance(event, Made):
            file, size = await scribe.picture(event, shape)
            data[event.index] = PictureData(b64_json=file, **scribe.how(event))
    return ImagesResponse(
        created=int(time.time()),
        data=[data[index] for index in sorted(data)],
        output_format=request.output_format,
        quality=TOLD[request.quality],
        size=size,
        safety_identifier=caller_of(request),
    )
