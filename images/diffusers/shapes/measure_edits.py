"""Measure edits with `shapes`: does img2img move farther with its strength, and does a masked edit keep the rest?

`python -m images.diffusers.shapes.measure_edits [FOLDER]` prints Markdown; exit status 1 if a bound is not met.
"""

import argparse
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline
from torch import Tensor
from torch.nn.functional import max_pool2d

from images.diffusers.shapes.captions import plain_caption
from images.diffusers.shapes.classify import classify
from images.diffusers.shapes.colours import NAMES
from images.diffusers.shapes.render import SHAPES, SIDE, Scenes, coverage, random_scenes, render

STRENGTHS = (0.1, 0.3, 0.5, 0.7, 1.0)
GUIDANCE = 4.0
STEPS = 25
KEPT_BOUND = 0.05
CHANGED_BOUND = 0.7


def prompts_of(scenes: Scenes) -> list[str]:
    rows = torch.stack([scenes.shape, scenes.colour, scenes.background], 1).tolist()
    return [plain_caption(SHAPES[shape], NAMES[colour], NAMES[background]) for shape, colour, background in rows]


def generators(count: int, seed: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + i) for i in range(count)]


def img2img_distances(parts: StableDiffusionPipeline, scenes: Scenes, wanted: Scenes, seed: int) -> list[float]:
    """The mean distance (0..1 a pixel and channel) from the input at each strength, asking for `wanted`."""
    pipeline = StableDiffusionImg2ImgPipeline(**parts.components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    pictures, distances = render(scenes), []
    for strength in STRENGTHS:
        edited = pipeline(
            prompts_of(wanted),
            image=pictures,
            strength=strength,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=generators(len(scenes), seed),
            output_type="pt",
        ).images
        distances.append((edited - pictures).abs().mean().item())
    return distances


def masked_edit(parts: StableDiffusionPipeline, scenes: Scenes, seed: int) -> tuple[float, float]:
    """Ask for a new shape colour inside a mask around the shape.

    Returns the mean distance outside the mask, before any composite, and how often the shape has the new colour.
    """
    pipeline = StableDiffusionInpaintPipeline(**parts.components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    pictures, mask = render(scenes), max_pool2d((coverage(scenes) > 0).float(), 9, 1, 4)
    fresh = (scenes.colour + 1) % len(NAMES)
    fresh = torch.where(fresh == scenes.background, (fresh + 1) % len(NAMES), fresh)
    edited: Tensor = pipeline(
        prompts_of(replace(scenes, colour=fresh)),
        image=pictures,
        mask_image=mask,
        height=SIDE,
        width=SIDE,
        strength=1.0,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=generators(len(scenes), seed),
        output_type="pt",
    ).images
    kept = ((edited - pictures).abs().mean(1, keepdim=True) * (1 - mask)).sum() / (1 - mask).sum()
    return kept.item(), (classify(edited).colour == fresh).float().mean().item()


def table(distances: dict[str, list[float]]) -> str:
    lines = ["| asked for | " + " | ".join(f"strength {strength}" for strength in STRENGTHS) + " |"]
    lines.append("|---|" + "--:|" * len(STRENGTHS))
    lines += [f"| {asked} | " + " | ".join(f"{value:.3f}" for value in row) + " |" for asked, row in distances.items()]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="images.diffusers.shapes.measure_edits", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("images/diffusers/shapes/weights/shapes"))
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    parts = StableDiffusionPipeline.from_pretrained(options.folder, dtype=torch.float32)
    scenes = random_scenes(options.pictures, torch.Generator().manual_seed(options.seed))
    others = random_scenes(options.pictures, torch.Generator().manual_seed(options.seed + 1))
    rows = {"the same": scenes, "another scene": others}
    distances = {asked: img2img_distances(parts, scenes, wanted, options.seed) for asked, wanted in rows.items()}
    print(table(distances))
    kept, changed = masked_edit(parts, scenes, options.seed)
    print(f"\nMasked edit: distance outside the mask {kept:.3f}, new colour inside {100 * changed:.1f} %")
    grows = all(before < after for row in distances.values() for before, after in pairwise(row))
    sys.exit(0 if grows and kept < KEPT_BOUND and changed > CHANGED_BOUND else 1)


if __name__ == "__main__":
    main()
