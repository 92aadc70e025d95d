"""The torch side by hand: a studio without its thread, and a job whose listener is a list."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from images.diffusers.server import settings
from images.diffusers.server.families.family import Recipe
from images.diffusers.server.jobs import Event, Job, Made, Preview, Step
from images.diffusers.server.progress import Counters, Stopped, Ticket
from images.diffusers.server.studio import Studio
from images.diffusers.server.tasks import Task, Work

SIZE = 64
Pixels = NDArray[np.int_]


def _closed() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.close()
    return loop


@dataclass
class Ear(Job):
    """Hears everything at once, and calls the job off when it hears of step `stop_at`."""

    stop_at: int = 0
    heard: list[Event] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        self.heard.append(event)
        if isinstance(event, Step) and event.step == self.stop_at:
            self.cancel()

    def steps(self) -> list[tuple[int, int, int]]:
        return [(event.index, event.step, event.steps) for event in self.heard if isinstance(event, Step)]

    def made(self) -> list[Made]:
        return [event for event in self.heard if isinstance(event, Made)]

    def shown(self) -> list[Preview]:
        return [event for event in self.heard if isinstance(event, Preview)]


def ready(folder: Path, *arguments: str) -> Studio:
    studio = Studio(settings.read(["--model", str(folder), *arguments]), Counters())
    studio.load()
    studio.warm_up()
    return studio


def task(seed: int = 1, work: Work = Work.GENERATE, **changes: object) -> Task:
    plain = Task(work, "a red circle", SIZE, SIZE, steps=4, guidance=5.0, seed=seed)
    return replace(plain, **changes)  # type: ignore[arg-type]  # the names are checked by `replace` itself


def listen(studio: Studio, *tasks: Task, previews: int = 0, stop_at: int = 0) -> Ear:
    """One batch of these tasks, to its end or to where it was called off."""
    ear = Ear(tasks, previews, _closed(), stop_at=stop_at)
    try:
        for made in studio.make([Ticket(ear, index, each) for index, each in enumerate(tasks)]):
            ear.tell(made)
    except Stopped:
        ear.heard.append(Step(-1, -1, -1))
    return ear


def draw(studio: Studio, *tasks: Task) -> list[Pixels]:
    """The first frames, as integers."""
    return [pixels(made.frames[0]) for made in listen(studio, *tasks).made()]


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image).astype(int)


def apart(one: Pixels, other: Pixels) -> int:
    """The largest difference of any channel of any pixel, 0 to 255."""
    return int(np.abs(one - other).max())


def with_recipe(studio: Studio, work: Work, **changes: object) -> None:
    """Has the work done in another way from now on."""
    recipe: Recipe = replace(studio.model.recipes[work], **changes)  # type: ignore[arg-type]  # checked by `replace`
    studio.model = replace(studio.model, recipes={**studio.model.recipes, work: recipe})


def picture(colour: str = "red", size: int = SIZE) -> Image.Image:
    """Half of it black, so that it has an inside and an edge."""
    image = Image.new("RGB", (size, size), colour)
    image.paste("black", (0, 0, size // 2, size))
    return image


def mask(size: int = SIZE) -> Image.Image:
    image = Image.new("L", (size, size), "black")
    image.paste("white", (size // 2, 0, size, size))
    return image
