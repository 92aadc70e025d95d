"""What the worker tells of a request's tasks, and how the event loop listens and calls off."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from PIL.Image import Image

from images.diffusers.server.tasks import Task


@dataclass(frozen=True)
class Step:
    """One denoising step of picture `index` is done."""

    index: int
    step: int
    steps: int


@dataclass(frozen=True)
class Preview:
    """What picture `index` looks like on the way; `ordinal` counts from 0."""

    index: int
    ordinal: int
    image: Image


@dataclass(frozen=True)
class Made:
    """Picture or clip `index` is done: one frame, or many. `scheduler` is the class that was used."""

    index: int
    task: Task
    frames: tuple[Image, ...]
    scheduler: str
    flagged: bool = False  # the safety checker acted


@dataclass(frozen=True)
class Failed:
    """The request is over; `error` is what stopped it."""

    error: Exception


Event = Step | Preview | Made | Failed


@dataclass
class Job:
    """The tasks of one request. The worker tells, one event loop listens; either may end it.

    `previews` is how many previews each picture is to send. Iterating gives events until all are made; a failure is
    raised where it is reached. Leaving the iteration early does not stop the work: `cancel` does, within one step.
    """

    tasks: tuple[Task, ...]
    previews: int
    loop: asyncio.AbstractEventLoop
    _events: "asyncio.Queue[Event]" = field(default_factory=asyncio.Queue)
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def tell(self, event: Event) -> None:
        """From the worker's thread. A loop that is closed has nobody left to tell."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._events.put_nowait, event)

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    async def __aiter__(self) -> AsyncIterator[Step | Preview | Made]:
        left = len(self.tasks)
        while left:
            event = await self._events.get()
            if isinstance(event, Failed):
                raise event.error
            left -= isinstance(event, Made)
            yield event
