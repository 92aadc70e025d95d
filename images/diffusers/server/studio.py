"""The pipeline and everything round it, for the one thread that owns it. Nothing here is safe to call from another."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack

import torch
from PIL.Image import Image

from images.diffusers.server import controlnets, loading, previews, rehearsal, safety, schedulers, sleep, speed
from images.diffusers.server.adapters import Shelves
from images.diffusers.server.controlnets import ControlNets
from images.diffusers.server.derived import Pipelines
from images.diffusers.server.embeddings import Embeddings
from images.diffusers.server.families.family import Batch, Recipe
from images.diffusers.server.foreign import Output, Pipeline, Scheduler, quiet
from images.diffusers.server.ip_adapters import IpAdapters
from images.diffusers.server.jobs import Made
from images.diffusers.server.loras import Loras
from images.diffusers.server.progress import Counters, Looks, Progress, Ticket
from images.diffusers.server.settings import Settings
from images.diffusers.server.tasks import Task

LOG = logging.getLogger(__name__)
EMBEDDING_BYTES = 256 * 2**20


class Studio:
    """Loads, draws, sleeps and wakes. `model` is there after `load`."""

    model: loading.LoadedModel
    pipelines: Pipelines
    _loras: Loras
    _controlnets: ControlNets
    _ip_adapters: IpAdapters
    _own: Scheduler  # the model's own scheduler, or the one of --scheduler

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self._settings = settings
        self.counters = counters
        self._device = torch.device(settings.device)
        self._embeddings = Embeddings(EMBEDDING_BYTES, counters)
        self._shelves = Shelves.under(settings.models_dir)

    def load(self) -> None:
        """Raises StartError where the model cannot be served as its entry asks."""
        quiet()
        LOG.info("reading the model's configuration")
        source = loading.read_source(self._settings.model)
        if self._settings.safety_checker:
            safety.require(source)
        LOG.info("loading weights")
        dtype = loading.dtype_of(self._settings.dtype, self._device)
        pipeline = loading.load(source, dtype, self._settings.safety_checker)
        names = schedulers.names_for(pipeline.scheduler)
        if self._settings.scheduler:
            pipeline.scheduler = schedulers.build(pipeline.scheduler, self._settings.scheduler)
        self._controlnets = ControlNets(self._shelves.controlnets, dtype, self._device)
        self._ip_adapters = IpAdapters(self._shelves.ip_adapters, dtype, self._device)
        self.model = loading.describe(source, self._settings, pipeline, names, speed.batch_size(self._settings))
        LOG.info("moving weights to the device")
        sleep.move(pipeline, self._device)
        speed.prepare(pipeline, self._settings)
        self._embeddings.clear()
        self._embeddings.attach(pipeline)
        self.pipelines = Pipelines(pipeline)
        self._own = pipeline.scheduler
        self._loras = Loras(self._shelves.loras, pipeline)

    def check(self, task: Task) -> None:
        """Raises ApiError 400 where the task names a scheduler or an adapter that is not there. Safe on any thread."""
        self._shelves.check(task)
        if task.scheduler is not None:
            schedulers.known(self._own, task.scheduler)

    def most(self, task: Task) -> int:
        """How many such tasks may be one batch."""
        return self.model.max_batch_size if self._recipe(task).batches else 1

    def _recipe(self, task: Task) -> Recipe:
        return self.model.recipes[task.work].bringing(len(task.images))

    def warm_up(self) -> None:
        """Two steps of the smallest sensible task: what fails or is slow once does so before the first request."""
        LOG.info("warming up")
        self.make([Ticket(rehearsal.silent(), 0, rehearsal.task(self.model))])

    def make(self, tickets: Sequence[Ticket]) -> list[Made]:
        """The pictures of tickets that fit together, in their order; steps are told meanwhile.

        Raises Stopped when every request of them was called off.
        """
        task = tickets[0].task
        recipe = self._recipe(task)
        with ExitStack() as stack:
            self._embeddings.context = stack.enter_context(self._loras.on(task.loras))
            pipeline, extra = self._pipeline(recipe, task, stack)
            stack.callback(pipeline.maybe_free_model_hooks)
            looks = self._previews(pipeline, tickets, stack)
            progress = Progress(tickets, self.counters, looks)
            calls = stack.enter_context(progress.watching(pipeline, recipe.steps))
            progress.check()
            stack.enter_context(torch.inference_mode())
            output = pipeline(**_arguments(recipe, tickets), **extra, **calls)
        return self._made(tickets, output, type(pipeline.scheduler).__name__)

    def _pipeline(self, recipe: Recipe, task: Task, stack: ExitStack) -> tuple[Pipeline, dict[str, object]]:
        """The pipeline for one batch with its scheduler and adapters, and the arguments that these add to its call."""
        name = recipe.pipeline
        parts: dict[str, object] = {}
        extra: dict[str, object] = {}
        if task.controlnet is not None:
            pairing = self._controlnets.pairing(name)
            name = pairing.pipeline
            parts["controlnet"] = self._controlnets.load(task.controlnet.name, pairing, self.pipelines.base)
            extra = controlnets.arguments(task.controlnet, pairing)
        if task.ip_adapter is not None:
            parts |= self._ip_adapters.components(task.ip_adapter.name)
        pipeline = self.pipelines.of(name, **parts)
        if task.ip_adapter is not None:
            extra |= stack.enter_context(self._ip_adapters.on(pipeline, task.ip_adapter))
        if task.scheduler is not None:
            pipeline.scheduler = schedulers.build(self._own, task.scheduler)
        return pipeline, extra

    def _previews(self, pipeline: Pipeline, tickets: Sequence[Ticket], stack: ExitStack) -> Looks | None:
        decode = self.model.family.decode
        if decode is None or not any(ticket.job.previews for ticket in tickets):
            return None
        looks = previews.Previews(decode, pipeline, tickets, lambda images: safety.screened(pipeline, images))
        stack.enter_context(looks.watching())
        return looks.after

    def _made(self, tickets: Sequence[Ticket], output: Output, scheduler: str) -> list[Made]:
        drawn = pictures(output)
        flagged = safety.flags(output, len(drawn))
        self.counters.pictures_total += len(tickets)
        return [
            Made(ticket.index, ticket.task, finished(self._recipe(ticket.task), ticket.task, frames), scheduler, flag)
            for ticket, frames, flag in zip(tickets, drawn, flagged, strict=True)
        ]

    def sleep(self, level: int) -> None:
        """Frees what the level says (`sleep.py`); level 2 also from level 1."""
        self._forget()
        if level == 2:
            del self.pipelines, self._loras
        elif self._device != sleep.HOST:
            sleep.move(self.pipelines.base, sleep.HOST)
        sleep.synchronise(self._device)
        sleep.empty_caches(self._device)

    def wake(self, level: int) -> None:
        if level == 2:
            self.load()
        else:
            sleep.move(self.pipelines.base, self._device)
        sleep.synchronise(self._device)

    def free(self) -> None:
        """After a failure for want of memory: everything goes that can be made again."""
        self._forget()
        sleep.empty_caches(self._device)

    def _forget(self) -> None:
        self._embeddings.clear()
        self._controlnets.clear()
        self._ip_adapters.clear()


def pictures(output: Output) -> list[tuple[Image, ...]]:
    """A pipeline's output as frames, one tuple a task: a picture has one."""
    if hasattr(output, "frames"):
        return [tuple(clip) for clip in output.frames]
    return [(image,) for image in output.images]


def finished(recipe: Recipe, task: Task, frames: tuple[Image, ...]) -> tuple[Image, ...]:
    """The frames as the recipe leaves them."""
    return frames if recipe.finish is None else tuple(recipe.finish(task, frame) for frame in frames)


def _arguments(recipe: Recipe, tickets: Sequence[Ticket]) -> dict[str, object]:
    tasks = tuple(ticket.task for ticket in tickets)
    generators = tuple(torch.Generator("cpu").manual_seed(task.seed) for task in tasks)
    generator = {"generator": list(generators) if recipe.batches else generators[0]}
    return {"output_type": "pil", **recipe.arguments(Batch(tasks, generators)), **generator}
