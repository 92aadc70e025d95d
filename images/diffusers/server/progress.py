"""Steps of a batch as they are done: told to the requests, counted, and stopped when nobody waits any more.

Stopped
    raised inside a pipeline's own loop, by a callback or by a hook; it ends the denoising within one step.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from images.diffusers.server.families.family import Steps
from images.diffusers.server.foreign import Pipeline
from images.diffusers.server.jobs import Job, Step
from images.diffusers.server.tasks import Task

DENOISERS = ("transformer", "unet", "prior")


Looks = Callable[[int, int, torch.Tensor], None]
"""What is done with a step's latents: the step from 1, the steps in all, the latents."""


class Stopped(Exception):
    """Every request of the batch was called off."""


@dataclass
class Counters:
    """Totals since the process began. The worker's thread writes, the metrics read."""

    steps_total: int = 0
    pictures_total: int = 0
    embeddings_hit_total: int = 0
    embeddings_missed_total: int = 0


@dataclass(frozen=True, eq=False)  # each is itself alone: equal pictures would have to be compared by pixels
class Ticket:
    """One task of a request, on its way through the worker."""

    job: Job
    index: int
    task: Task


class Progress:
    """The steps of one batch. `looks` gets each step's latents, where the pipeline gives them."""

    def __init__(
        self,
        tickets: Sequence[Ticket],
        counters: Counters,
        looks: Looks | None = None,
    ) -> None:
        self._tickets = tickets
        self._counters = counters
        self._looks = looks
        self._steps = max(1, tickets[0].task.steps)
        self._done = 0
        self._timestep: object = None

    @contextmanager
    def watching(self, pipeline: Pipeline, how: Steps) -> Iterator[Mapping[str, object]]:
        """Gives the arguments that the pipeline's call needs to tell its steps, and takes every hook off again."""
        if how is Steps.CALLBACK:
            yield {
                "callback_on_step_end": self._on_step_end,
                "callback_on_step_end_tensor_inputs": ["latents"],
            }
        elif how is Steps.LEGACY:
            self._pipeline = pipeline
            yield {"callback": self._on_legacy_step, "callback_steps": 1}
        else:
            hooks = [
                denoiser.register_forward_pre_hook(self._on_forward, with_kwargs=True)
                for denoiser in denoisers(pipeline)
            ]
            try:
                yield {}
                self._step(self._done + 1, self._steps)
            finally:
                for hook in hooks:
                    hook.remove()

    def check(self) -> None:
        """Raises Stopped when every request of the batch was called off."""
        if all(ticket.job.cancelled for ticket in self._tickets):
            raise Stopped

    def _on_step_end(
        self, pipeline: Pipeline, step: int, timestep: object, tensors: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        self._step(step + 1, _count(pipeline, self._steps), tensors.get("latents"))
        return {}

    def _on_legacy_step(self, step: int, timestep: object, latents: torch.Tensor) -> None:
        self._step(step + 1, len(self._pipeline.scheduler.timesteps), latents)

    def _on_forward(self, denoiser: object, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        """Before each pass of the denoiser: a timestep other than the last one's begins a new step."""
        self.check()
        timestep = _plain(kwargs.get("timestep", args[1] if len(args) > 1 else None))
        if self._timestep is not None and timestep != self._timestep:
            self._step(self._done + 1, self._steps)
        self._timestep = timestep

    def _step(self, step: int, steps: int, latents: torch.Tensor | None = None) -> None:
        self.check()
        self._done = step
        self._counters.steps_total += len(self._tickets)
        for ticket in self._tickets:
            ticket.job.tell(Step(ticket.index, step, max(step, steps)))
        if self._looks is not None and latents is not None:
            self._looks(step, steps, latents)


def denoisers(pipeline: Pipeline) -> list[torch.nn.Module]:
    """The networks of a pipeline that are run once or more a step."""
    parts = (part for name, part in pipeline.components.items() if name.startswith(DENOISERS))
    return [part for part in parts if isinstance(part, torch.nn.Module)]


def _count(pipeline: Pipeline, asked: int) -> int:
    """How many steps the pipeline makes: an image-to-image one makes `strength` of those asked for."""
    told = getattr(pipeline, "num_timesteps", None)
    return told if isinstance(told, int) and told > 0 else asked


def _plain(timestep: object) -> object:
    return tuple(timestep.flatten().tolist()) if isinstance(timestep, torch.Tensor) else timestep
