"""What the worker tells -> the events of a stream, as SDKs know them."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, TypedDict

from pydantic import BaseModel

from contract.images import (
    CompletedImage,
    CompletedVideo,
    DiffusionRequest,
    Format,
    ImageProgress,
    PartialImage,
    PictureRequest,
    Told,
    VideoProgress,
)
from images.diffusers.server import answers
from images.diffusers.server.answers import Events, Scribe
from images.diffusers.server.jobs import Made, Preview, Step
from images.diffusers.server.media import clips, sheets

Prefix = Literal["image_generation", "image_edit"]


class _Common(TypedDict):
    """The fields of `contract.images.PictureEvent`."""

    b64_json: str
    created_at: int
    output_format: Format
    quality: Told
    size: str
    index: int


@dataclass(frozen=True)
class Reporter:
    """Tells the pictures of one request. `progress`: its steps, too."""

    request: PictureRequest
    scribe: Scribe
    prefix: Prefix
    progress: bool

    async def tell(self, events: Events) -> AsyncIterator[BaseModel]:
        """Previews and pictures as they come, and steps where they were asked for."""
        async for event in events:
            if isinstance(event, Preview):
                yield await self._preview(event)
            elif isinstance(event, Made):
                yield await self._completed(event)
            elif self.progress:
                name = f"{self.prefix}.progress"
                yield ImageProgress.model_validate(
                    {"type": name, "index": event.index, "step": event.step, "steps": event.steps}
                )

    async def _preview(self, event: Preview) -> PartialImage:
        file, size = await self.scribe.sketch(event, answers.shape_of(self.request))
        common = self._common(file, size, event.index)
        return PartialImage(type=f"{self.prefix}.partial_image", partial_image_index=event.ordinal, **common)

    async def _completed(self, event: Made) -> CompletedImage:
        file, size = await self.scribe.picture(event, answers.shape_of(self.request))
        return CompletedImage(
            type=f"{self.prefix}.completed",
            safety_identifier=answers.caller_of(self.request),
            **self._common(file, size, event.index),
            **self.scribe.how(event),
        )

    def _common(self, file: str, size: str, index: int) -> _Common:
        return _Common(
            b64_json=file,
            created_at=int(time.time()),
            output_format=self.request.output_format,
            quality=answers.TOLD[self.request.quality],
            size=size,
            index=index,
        )


async def filmed(request: DiffusionRequest, scribe: Scribe, events: Events) -> AsyncIterator[BaseModel]:
    """Each step, and at the end the clip."""
    async for event in events:
        if isinstance(event, Step):
            yield VideoProgress(step=event.step, steps=event.steps)
        elif isinstance(event, Made):
            yield await asyncio.to_thread(_completed, request, scribe, event)


def _completed(request: DiffusionRequest, scribe: Scribe, event: Made) -> CompletedVideo:
    fps, frames = event.task.fps, event.frames
    data = clips.encode(frames, fps, scribe.inside(event))
    return CompletedVideo(
        b64_json=base64.b64encode(data).decode(),
        created_at=int(time.time()),
        width=frames[0].width,
        height=frames[0].height,
        fps=fps,
        frames=len(frames),
        seconds=len(frames) / fps,
        thumbnail_b64=sheets.thumbnail(frames),
        spritesheet_b64=sheets.spritesheet(frames),
        safety_identifier=answers.caller_of(request),
        **scribe.how(event),
    )
