"""Pictures on the way: what a step's latents would become, rather than the noise that they still hold."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from PIL.Image import Image

from images.diffusers.server.families.family import Decode
from images.diffusers.server.foreign import Given, Output, Pipeline, Scheduler
from images.diffusers.server.jobs import Preview
from images.diffusers.server.progress import Ticket

Screen = Callable[[Sequence[Image]], Sequence[Image]]


def moments(previews: int, steps: int) -> tuple[int, ...]:
    """The steps, counted from 1 and ascending, after which previews are sent: evenly spread, never the last one."""
    spread = ((ordinal + 1) * steps // (previews + 1) for ordinal in range(previews))
    return tuple(sorted({step for step in spread if 0 < step < steps}))


class Previews:
    """The previews of one batch. `screen` is the safety checker, or nothing."""

    def __init__(self, decode: Decode, pipeline: Pipeline, tickets: Sequence[Ticket], screen: Screen) -> None:
        self._decode = decode
        self._pipeline = pipeline
        self._tickets = tickets
        self._screen = screen
        self._clean: torch.Tensor | None = None
        self._sent = [0] * len(tickets)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Reads along in the scheduler's steps what the clean picture is estimated to be."""
        scheduler = self._pipeline.scheduler
        original = scheduler.step

        @functools.wraps(original)
        def step(model_output: Given, timestep: Given, sample: Given, *args: Given, **kwargs: Given) -> Output:
            result = original(model_output, timestep, sample, *args, **kwargs)
            self._clean = estimate(scheduler, model_output, timestep, sample, result)
            return result

        scheduler.step = step
        try:
            yield
        finally:
            del scheduler.step

    def after(self, step: int, steps: int, latents: torch.Tensor) -> None:
        """Sends the previews that are due after this step."""
        due = [place for place, ticket in enumerate(self._tickets) if step in moments(ticket.job.previews, steps)]
        if not due:
            return
        clean = self._clean
        shown = latents if clean is None or clean.shape != latents.shape else clean.to(latents.dtype)
        rows = shown if len(due) == len(self._tickets) else shown[due]
        images = self._screen(self._decode(self._pipeline, rows, self._tickets[due[0]].task))
        for place, image in zip(due, images, strict=True):
            ticket = self._tickets[place]
            ticket.job.tell(Preview(ticket.index, self._sent[place], image))
            self._sent[place] += 1


def estimate(
    scheduler: Scheduler, model_output: torch.Tensor, timestep: Given, sample: torch.Tensor, result: Output
) -> torch.Tensor | None:
    """The clean latents as a scheduler's step sees them, or None where it tells nothing that says so."""
    told = _told(scheduler, result)
    if told is not None:
        return told
    if hasattr(scheduler, "sigmas"):
        return _along_sigmas(scheduler, sample, _first(result))
    if hasattr(scheduler, "alphas_cumprod"):
        return _from_alphas(scheduler, model_output, timestep, sample)
    return None


def _told(scheduler: Scheduler, result: Output) -> torch.Tensor | None:
    """Many schedulers give their estimate beside the next sample; multistep ones keep it."""
    config: Mapping[str, object] = scheduler.config
    if type(scheduler).__name__ == "TCDScheduler":
        return None  # its second value is noised again
    if isinstance(result, tuple) and len(result) > 1 and isinstance(result[1], torch.Tensor):
        return result[1]
    kept = getattr(scheduler, "model_outputs", None)
    keeps_clean = str(config.get("algorithm_type", "")).endswith("++") or config.get("predict_x0") is True
    return kept[-1] if kept and keeps_clean else None


def _along_sigmas(scheduler: Scheduler, sample: torch.Tensor, following: torch.Tensor) -> torch.Tensor | None:
    """x0 = x' - s' (x' - x) / (s' - s): the straight line through two steps, followed to sigma 0."""
    index = scheduler.step_index
    if index is None or not 0 < index < len(scheduler.sigmas) or sample.shape != following.shape:
        return None
    before, after = float(scheduler.sigmas[index - 1]), float(scheduler.sigmas[index])
    if before == after:
        return None
    if after == 0:
        return following
    grow_before, grow_after = (1.0, 1.0) if not _shrinks(scheduler) else (math.hypot(1, before), math.hypot(1, after))
    x, following = sample.float() * grow_before, following.float() * grow_after
    return following - after * (following - x) / (after - before)


def _shrinks(scheduler: Scheduler) -> bool:
    """Whether samples are held as alpha (x0 + sigma noise), as multistep solvers of the older kind do."""
    return hasattr(scheduler, "lambda_t") and not scheduler.config.get("use_flow_sigmas")


def _from_alphas(
    scheduler: Scheduler, output: torch.Tensor, timestep: Given, sample: torch.Tensor
) -> torch.Tensor | None:
    alpha = float(scheduler.alphas_cumprod[int(timestep)])
    signal, noise = math.sqrt(alpha), math.sqrt(1 - alpha)
    if output.shape != sample.shape:
        return None
    match scheduler.config.get("prediction_type"):
        case "epsilon":
            return (sample - noise * output) / signal
        case "v_prediction":
            return signal * sample - noise * output
        case "sample":
            return output
    return None


def _first(result: Output) -> torch.Tensor:
    first: torch.Tensor = result[0] if isinstance(result, tuple) else result.prev_sample
    return first
