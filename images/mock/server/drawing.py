"""One request for pictures: its steps, its previews, its pictures, in the wire types of the contract."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from contract.images import (
    CompletedImage,
    ImageProgress,
    ImagesResponse,
    PartialImage,
    PictureData,
    PictureRequest,
    StreamingRequest,
)
from images.mock.server.engine import Engine, Unit
from images.mock.server.pictures import TOLD, Canvas
from images.mock.server.settings import Knobs

STEPS = 4

Prefix = Literal["image_generation", "image_edit"]


@dataclass(frozen=True)
class Drawing:
    """What one request asked for."""

    engine: Engine
    asked: PictureRequest
    knobs: Knobs
    canvas: Canvas
    prefix: Prefix

    @property
    def steps(self) -> int:
        """Of each picture."""
        return self.asked.num_inference_steps or STEPS

    async def whole(self) -> ImagesResponse:
        made = [event async for event in self.events() if isinstance(event, CompletedImage)]
        return ImagesResponse(
            created=int(time.time()),
            data=[PictureData.model_validate(event.model_dump()) for event in made],
            output_format=self.asked.output_format,
            quality=TOLD[self.asked.quality],
            size=self.canvas.size,
            safety_identifier=self.asked.safety_identifier,
        )

    async def events(self) -> AsyncGenerator[BaseModel, None]:
        """Steps and previews where they were asked for, and each picture when its last step is done."""
        units = self.engine.work(self.knobs, Unit.STEP, self.asked.n * self.steps)
        async with aclosing(units) as work:
            async for number in work:
                index, step = divmod(number, self.steps)
                for event in self._after(index, step + 1):
                    yield event

    def _after(self, index: int, step: int) -> list[BaseModel]:
        asked = self.asked
        events: list[BaseModel] = []
        if isinstance(asked, StreamingRequest) and asked.stream:
            if asked.progress:
                events.append(self._progress(index, step))
            if step <= asked.partial_images and step < self.steps:
                events.append(self._preview(index, step))
        if step == self.steps:
            events.append(self._completed(index))
        return events

    def _progress(self, index: int, step: int) -> ImageProgress:
        told = {"type": f"{self.prefix}.progress", "index": index, "step": step, "steps": self.steps}
        return ImageProgress.model_validate(told)

    def _preview(self, index: int, step: int) -> PartialImage:
        told = self._common(index, step / self.steps) | {"partial_image_index": step - 1}
        return PartialImage.model_validate(told | {"type": f"{self.prefix}.partial_image"})

    def _completed(self, index: int) -> CompletedImage:
        how = {
            "seed": (self.asked.seed or 0) + index,
            "scheduler": "mock",
            "steps": self.steps,
            "guidance": self.asked.guidance_scale or 0.0,
            "revision": "mock",
            "safety_identifier": self.asked.safety_identifier,
        }
        return CompletedImage.model_validate(self._common(index, 1) | how | {"type": f"{self.prefix}.completed"})

    def _common(self, index: int, done: float) -> dict[str, object]:
        return {
            "b64_json": self.canvas.picture(done),
            "created_at": int(time.time()),
            "output_format": self.asked.output_format,
            "quality": TOLD[self.asked.quality],
            "size": self.canvas.size,
            "index": index,
        }
