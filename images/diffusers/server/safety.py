"""The safety checker of a model's own folder: on or off by the model's entry, and always told."""

from collections.abc import Sequence

from PIL import Image

from images.diffusers.server.foreign import Output, Pipeline
from images.diffusers.server.loading import Source, StartError


def require(source: Source) -> None:
    """Raises StartError where the checker is asked for and the model's folder has none."""
    entry = source.index.get("safety_checker")
    if not (isinstance(entry, list) and entry and entry[0]):
        raise StartError(
            f"--safety-checker: {source.path} has no safety_checker: use weights that have one, or no flag"
        )


def flags(output: Output, count: int) -> list[bool]:
    """Which of a pipeline's pictures its checker replaced by black ones."""
    found = getattr(output, "nsfw_content_detected", None)
    return [bool(flag) for flag in found] if found else [False] * count


def screened(pipeline: Pipeline, images: Sequence[Image.Image]) -> Sequence[Image.Image]:
    """The pictures, those that the pipeline's checker objects to in black; all of them where it has none."""
    checker = pipeline.components.get("safety_checker")
    if checker is None or not images:
        return images
    seen = pipeline.feature_extractor(list(images), return_tensors="pt").to(checker.device)
    pixels = pipeline.image_processor.pil_to_numpy(list(images))
    _, flagged = checker(images=pixels, clip_input=seen.pixel_values.to(checker.dtype))
    return [Image.new("RGB", image.size) if bad else image for image, bad in zip(images, flagged, strict=True)]
