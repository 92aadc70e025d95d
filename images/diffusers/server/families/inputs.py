"""What several families make of a batch: pictures of the asked size, enough steps, hints of distilled weights."""

from collections.abc import Sequence
from pathlib import PurePath

from diffusers import DiffusionPipeline
from PIL.Image import Image, Resampling

from images.diffusers.server.families.family import Batch
from images.diffusers.server.tasks import Task

# No scheduler here was trained with more.
MOST_STEPS = 1000


def fitted(image: Image, task: Task, how: Resampling = Resampling.LANCZOS) -> Image:
    """The picture in the size that was asked for."""
    size = (task.width, task.height)
    return image if image.size == size else image.resize(size, how)


def reference(image: Image, task: Task, multiple: int) -> Image:
    """A picture that is looked at, not painted over: in its own shape, with as many pixels as were asked for."""
    scale = (task.width * task.height / (image.width * image.height)) ** 0.5
    wide, high = (max(multiple, round(side * scale / multiple) * multiple) for side in image.size)
    return image if image.size == (wide, high) else image.resize((wide, high), Resampling.LANCZOS)


def pictures(batch: Batch) -> list[Image]:
    """The first picture of every task, in the asked size."""
    return [fitted(task.images[0], task) for task in batch.tasks]


def masks(batch: Batch) -> list[Image]:
    """The mask of every task, "L", in the asked size. Raises ValueError for a task without one."""
    return [_mask(task) for task in batch.tasks]


def _mask(task: Task) -> Image:
    if task.mask is None:
        raise ValueError("inpainting takes a mask")
    return fitted(task.mask, task, Resampling.NEAREST)


def size(batch: Batch) -> dict[str, object]:
    return {"width": batch.first.width, "height": batch.first.height}


def steps(batch: Batch) -> int:
    """The steps asked for; where `strength` would leave none of them, as many as leave one."""
    count, strength = batch.first.steps, batch.first.strength
    while 0 < strength < 1 and int(count * strength) < 1 and count < MOST_STEPS:
        count += 1
    return count


def changed(batch: Batch) -> dict[str, object]:
    """Image to image: where to begin, how much of it to give up, and steps that suffice."""
    return {"image": pictures(batch), "strength": batch.first.strength, "num_inference_steps": steps(batch)}


def painted(batch: Batch) -> dict[str, object]:
    """Inpainting: image to image, where the mask is white."""
    return changed(batch) | size(batch) | {"mask_image": masks(batch)}


def _flow_strength(batch: Batch) -> float:
    """Pipelines of flow matching round up the steps that are left; below 1 the first is always spared.

    With all of them the picture would be drowned in noise, and nothing of it left: for four steps at 0.8 already.
    """
    count, strength = steps(batch), batch.first.strength
    if strength >= 1 or count == 1:
        return strength
    return min(strength, (count - 1) / count - 1e-6)


def flow_changed(batch: Batch) -> dict[str, object]:
    """`changed`, for pipelines of flow matching."""
    return changed(batch) | {"strength": _flow_strength(batch)}


def flow_painted(batch: Batch) -> dict[str, object]:
    """`painted`, for pipelines of flow matching."""
    return painted(batch) | {"strength": _flow_strength(batch)}


def called(pipeline: DiffusionPipeline, words: Sequence[str]) -> bool:
    """Whether the model's folder, or one above it (a hub cache's), carries one of these words in its name.

    Weights that were distilled to few steps often differ from the others in nothing that a configuration says.
    """
    parts = PurePath(str(pipeline.config.get("_name_or_path", "")).lower()).parts[-4:]
    return any(word in part for part in parts for word in words)
