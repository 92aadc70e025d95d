"""What a family's file declares: which pipeline does which work, with which arguments, and what it can honour."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from PIL.Image import Image

from images.diffusers.server.tasks import Parameter, Task, Work


@dataclass(frozen=True)
class Defaults:
    """What is used where a request says nothing. Sizes are pixels."""

    width: int
    height: int
    steps: int
    guidance: float
    strength: float = 0.8
    frames: int = 1
    fps: int = 0


@dataclass(frozen=True)
class Batch:
    """Tasks that are denoised together; all agree but in prompt and seed (`Task.fits`)."""

    tasks: tuple[Task, ...]
    generators: tuple[torch.Generator, ...]  # one a task, on the CPU: the same seed draws the same on every device

    @property
    def first(self) -> Task:
        return self.tasks[0]

    @property
    def prompts(self) -> list[str]:
        return [task.prompt for task in self.tasks]

    @property
    def negative_prompts(self) -> list[str]:
        return [task.negative_prompt for task in self.tasks]


class Steps(Enum):
    """How a pipeline tells its steps, and so where it can be stopped."""

    CALLBACK = auto()  # callback_on_step_end
    LEGACY = auto()  # callback and callback_steps
    FORWARD = auto()  # neither: a hook on the denoiser's forward


Arguments = Callable[[Batch], dict[str, object]]
Load = Callable[[Path, torch.dtype], DiffusionPipeline]
Decode = Callable[[DiffusionPipeline, torch.Tensor, Task], list[Image]]
Tune = Callable[[DiffusionPipeline, Defaults], Defaults]
Suit = Callable[[DiffusionPipeline, "Recipe"], "Recipe"]
Finish = Callable[[Task, Image], Image]


@dataclass(frozen=True)
class Recipe:
    """How one kind of work is done.

    `pipeline` is a class of diffusers, by name; it shares the weights of the one that was loaded. `arguments` gives
    the keyword arguments of its call, without generator, callbacks and output type. `images` are the fewest and the
    most pictures that a request brings. Sizes are divisible by `multiple`; a clip has a multiple of `frame_multiple`
    frames, plus one where that is over 1.
    """

    pipeline: str
    arguments: Arguments
    defaults: Defaults
    honours: frozenset[Parameter]
    images: tuple[int, int] = (0, 0)
    multiple: int = 8
    frame_multiple: int = 1
    batches: bool = True  # whether the pipeline takes lists of prompts and of generators
    steps: Steps = Steps.CALLBACK
    extras: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # what else it honours: least and most
    most_pixels: int | None = None  # of the picture, where the pipeline would make a bigger one smaller
    negative_above: float = 1.0  # up to this guidance a negative prompt changes nothing, and is to be refused
    prompt: bool = True  # whether it follows a prompt; where not, a request with one is to be refused
    scale: int = 1  # over 1: an upscaler, whose picture is that many times as wide and high as the one it is given
    most_frames: int | None = None  # of a clip, where the weights know no more
    pictured: "Recipe | None" = None  # how a request that brings pictures is done, where another pipeline does it
    finish: Finish | None = None  # what is made of each finished frame (an upscaler's margin cut off)

    def bringing(self, pictures: int) -> "Recipe":
        """The recipe for a request that brings so many pictures."""
        return self.pictured if pictures and self.pictured is not None else self


@dataclass(frozen=True)
class Family:
    """One family. `recipes`: the class in a model's `model_index.json` -> work -> recipe."""

    name: str
    recipes: Mapping[str, Mapping[Work, Recipe]]
    load: Load | None = None  # where DiffusionPipeline.from_pretrained does not do
    decode: Decode | None = None  # latents of a step -> previews, one a picture of the batch
    tune: Tune = field(default=lambda pipeline, defaults: defaults)  # defaults of distilled models and the like
    suit: Suit = field(default=lambda pipeline, recipe: recipe)  # the recipe for the loaded weights, before `tune`
