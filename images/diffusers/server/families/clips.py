"""What families of clips share: one clip a call, and a first frame that fills the asked size."""

from PIL import ImageOps
from PIL.Image import Image, Resampling

from images.diffusers.server.families.family import Batch
from images.diffusers.server.tasks import Parameter

HONOURS = frozenset(
    {Parameter.NEGATIVE_PROMPT, Parameter.GUIDANCE, Parameter.SCHEDULER, Parameter.LORAS}
    | {Parameter.SIZE, Parameter.FRAMES, Parameter.FPS}
)


def told(batch: Batch) -> dict[str, object]:
    """What text-to-video pipelines are asked with."""
    first = batch.first
    return {
        "prompt": first.prompt,
        "negative_prompt": first.negative_prompt,
        "num_inference_steps": first.steps,
        "guidance_scale": first.guidance,
        "num_frames": first.frames,
        "width": first.width,
        "height": first.height,
    }


def opening(batch: Batch) -> Image:
    """The picture that the clip begins with, in the asked size: what stands over is cut off, nothing is squeezed."""
    first = batch.first
    return ImageOps.fit(first.images[0], (first.width, first.height), Resampling.LANCZOS)


def shown(batch: Batch) -> dict[str, object]:
    """What image-to-video pipelines are asked with."""
    return told(batch) | {"image": opening(batch)}
