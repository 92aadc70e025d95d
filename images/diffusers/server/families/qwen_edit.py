"""Qwen-Image-Edit and Qwen-Image-Edit-Plus (2509, 2511): edits by instruction, with one picture or several."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from PIL.Image import Image
from transformers import BatchFeature, Qwen2Tokenizer, Qwen2VLImageProcessorPil
from transformers.processing_utils import ProcessorMixin
from transformers.utils import is_torchvision_available

from images.diffusers.server.families import inputs, qwen
from images.diffusers.server.families.family import Batch, Defaults, Family, Recipe
from images.diffusers.server.tasks import Parameter, Task, Work

DEFAULTS = Defaults(width=1024, height=1024, steps=50, guidance=4.0)
PLUS_STEPS = 40
MEGAPIXEL = 1024 * 1024
PLACE = "<|image_pad|>"


class PictureProcessor(ProcessorMixin):  # type: ignore[misc]
    """Text and pictures for Qwen2.5-VL where torchvision is missing.

    The library's own processor reads clips as well, for which it wants torchvision; no clip is ever edited here.
    """

    def __init__(self, image_processor: Qwen2VLImageProcessorPil, tokenizer: Qwen2Tokenizer) -> None:
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.chat_template = None

    def __call__(
        self, text: list[str], images: Image | list[Image], padding: bool = True, return_tensors: str = "pt"
    ) -> BatchFeature:
        """Each place of a picture becomes as many tokens as the picture has patches, merged in squares."""
        seen = self.image_processor(images=images, return_tensors=return_tensors)
        merged = self.image_processor.merge_size**2
        counts = iter([int(grid.prod()) // merged for grid in seen["image_grid_thw"]])
        texts = [_with_places(part, counts) for part in text]
        return BatchFeature({**self.tokenizer(texts, padding=padding, return_tensors=return_tensors), **seen})


def _with_places(text: str, counts: Iterator[int]) -> str:
    first, *rest = text.split(PLACE)
    return first + "".join(PLACE * next(counts) + part for part in rest)


def load(path: Path, dtype: torch.dtype) -> DiffusionPipeline:
    passed: dict[str, object] = {}
    if not is_torchvision_available():
        folder = path / "processor"
        tokenizer = Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
        pictures = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
        passed["processor"] = PictureProcessor(pictures, tokenizer)
    return DiffusionPipeline.from_pretrained(
        str(path), dtype=dtype, use_safetensors=True, local_files_only=True, **passed
    )


def edit(batch: Batch) -> dict[str, object]:
    return qwen.guided(batch) | {"image": [task.images[0] for task in batch.tasks]}


def edit_several(batch: Batch) -> dict[str, object]:
    return qwen.guided(batch) | {"image": list(batch.first.images)}


def inpaint(batch: Batch) -> dict[str, object]:
    return qwen.guided(batch) | inputs.flow_painted(batch)


def megapixel(task: Task) -> tuple[int, int]:
    """The size that inpainting makes of every picture, whatever was asked for: a megapixel, in the same shape."""
    wide = math.sqrt(MEGAPIXEL * task.width / task.height)
    return round(wide / 32) * 32, round(wide * task.height / task.width / 32) * 32


def decode(pipeline: DiffusionPipeline, latents: torch.Tensor, task: Task) -> list[Image]:
    if task.work is not Work.INPAINT:
        return qwen.decode(pipeline, latents, task)
    width, height = megapixel(task)
    made = qwen.decode(pipeline, latents, replace(task, width=width, height=height))
    return [inputs.fitted(image, task) for image in made]


EDIT = Recipe("QwenImageEditPipeline", edit, DEFAULTS, qwen.COMMON, images=(1, 1), multiple=16)
FAMILY = Family(
    "qwen-image-edit",
    {
        "QwenImageEditPipeline": {
            Work.EDIT: EDIT,
            Work.INPAINT: replace(
                EDIT,
                pipeline="QwenImageEditInpaintPipeline",
                arguments=inpaint,
                honours=qwen.COMMON | {Parameter.STRENGTH},
                finish=lambda task, image: inputs.fitted(image, task),
            ),
        },
        "QwenImageEditPlusPipeline": {
            Work.EDIT: replace(
                EDIT,
                pipeline="QwenImageEditPlusPipeline",
                arguments=edit_several,
                defaults=replace(DEFAULTS, steps=PLUS_STEPS),
                images=(1, 16),
                batches=False,  # the pipeline takes one prompt at a time
            )
        },
    },
    load=load,
    decode=decode,
)
