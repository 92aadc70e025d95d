"""What the worker is asked for: one picture, or one clip, fully decided and decoded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from PIL.Image import Image


class Work(StrEnum):
    """What is done. A recipe of a family says how."""

    GENERATE = "generate"
    EDIT = "edit"  # a picture after a prompt: by instruction where the model takes one, else image to image
    INPAINT = "inpaint"  # only what the mask marks
    VARIATION = "variation"
    VIDEO = "video"


class Parameter(StrEnum):
    """Request parameters that some recipes honour and others cannot; who cannot has the request refused."""

    NEGATIVE_PROMPT = "negative_prompt"
    GUIDANCE = "guidance_scale"
    STRENGTH = "strength"
    SCHEDULER = "scheduler"
    LORAS = "loras"
    CONTROLNET = "controlnet"
    IP_ADAPTER = "ip_adapter"
    SIZE = "size"
    FRAMES = "num_frames"
    FPS = "fps"
    MOTION = "motion_bucket_id"
    NOISE = "noise_aug_strength"


@dataclass(frozen=True)
class Adapter:
    """A file of the models folder that changes what the model draws, and how strongly (1: as trained)."""

    name: str
    scale: float = 1.0


@dataclass(frozen=True)
class Control:
    """A ControlNet and the picture that it follows."""

    name: str
    image: Image
    scale: float = 1.0


@dataclass(frozen=True)
class Task:
    """One picture or clip. Sizes are pixels, `strength` is 0 to 1, `fps` frames a second.

    `images` are RGB; where there is a mask it is of the first one's size, "L", and white is what is painted anew.
    `extras` are numbers that a family alone knows.
    """

    work: Work
    prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    negative_prompt: str = ""
    strength: float = 0.0
    scheduler: str | None = None
    images: tuple[Image, ...] = ()
    mask: Image | None = None
    loras: tuple[Adapter, ...] = ()
    controlnet: Control | None = None
    ip_adapter: Control | None = None
    frames: int = 1
    fps: int = 0
    extras: Mapping[str, float] = field(default_factory=dict)

    def fits(self, other: "Task") -> bool:
        """Whether both can be denoised in one batch: everything agrees but prompts, seeds and pictures."""
        return self._shape() == other._shape()

    def _shape(self) -> tuple[object, ...]:
        alone = (self.controlnet, self.ip_adapter, self.images, self.mask)
        return (
            # With and without a negative prompt are two calls: some families then guide by something else.
            bool(self.negative_prompt),
            *(self.work, self.width, self.height, self.steps, self.guidance, self.strength, self.scheduler),
            *(self.loras, self.frames, self.fps, tuple(sorted(self.extras.items()))),
            # What is followed or edited is compared by identity: the pictures of one request agree.
            *(id(part) if part is not None else None for part in alone if not isinstance(part, tuple)),
            *(id(image) for image in self.images),
        )
