"""Measure `shapes-motion`: is the first frame the input, and does the shape move farther with the bucket?

`python -m images.diffusers.shapes.measure_motion [FOLDER]` prints Markdown; exit status 1 if a bound is not met.
"""

import argparse
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from diffusers import StableVideoDiffusionPipeline
from diffusers.utils import numpy_to_pil
from torch import Tensor

from images.diffusers.shapes.classify import centroid, shape_mask
from images.diffusers.shapes.motion import FARTHEST, FRAMES, TOP_BUCKET, slide
from images.diffusers.shapes.render import SIDE, Scenes, random_scenes, render

BUCKETS = (0, 63, 127, 191, 255)
FIRST_FRAME_BOUND = 0.05


@dataclass(frozen=True)
class Moved:
    """One bucket's means: the first frame's distance from the input (0..1 a pixel and channel), the shape's way and the
    way that the rule demands (pixels, in the rule's direction), the last frame's distance from the rule's.
    """

    bucket: int
    first: float
    way: float
    due: float
    last: float


def animate(pipeline: StableVideoDiffusionPipeline, pictures: Tensor, bucket: int, seed: int, steps: int) -> Tensor:
    """Videos (n, 8, 3, 64, 64), 0 to 1, of the pictures (n, 3, 64, 64)."""
    made: Tensor = pipeline(
        numpy_to_pil(pictures.permute(0, 2, 3, 1).numpy()),
        height=SIDE,
        width=SIDE,
        num_frames=FRAMES,
        num_inference_steps=steps,
        min_guidance_scale=1.0,
        max_guidance_scale=1.0,
        motion_bucket_id=bucket,
        generator=[torch.Generator().manual_seed(seed + i) for i in range(len(pictures))],
        output_type="pt",
    ).frames
    return made


def centre(frames: Tensor, scenes: Scenes) -> Tensor:
    """The x of the shapes' centroids, pixels, (n,)."""
    return centroid(shape_mask(frames, scenes.colour, scenes.background))[0]


def compare(videos: Tensor, scenes: Scenes, bucket: int) -> Moved:
    """What the videos of one bucket show, against the rule."""
    due = slide(scenes, round(FARTHEST * bucket / TOP_BUCKET))
    direction = torch.where(slide(scenes, FARTHEST).x > scenes.x, 1.0, -1.0)
    way = (centre(videos[:, -1], scenes) - centre(videos[:, 0], scenes)) * direction
    return Moved(
        bucket,
        (videos[:, 0] - render(scenes)).abs().mean().item(),
        way.mean().item(),
        (due.x - scenes.x).abs().mean().item(),
        (videos[:, -1] - render(due)).abs().mean().item(),
    )


def table(rows: list[Moved]) -> str:
    lines = ["| motion_bucket_id | first frame − input | way, px | way by the rule, px | last frame − rule |"]
    lines.append("|--:|--:|--:|--:|--:|")
    lines += [f"| {row.bucket} | {row.first:.4f} | {row.way:.1f} | {row.due:.1f} | {row.last:.4f} |" for row in rows]
    return "\n".join(lines)


def meets_bounds(rows: list[Moved]) -> bool:
    ways = [row.way for row in rows]
    grows = all(after - before > 2.0 for before, after in pairwise(ways))
    return grows and all(row.first < FIRST_FRAME_BOUND for row in rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="images.diffusers.shapes.measure_motion", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("images/diffusers/shapes/weights/shapes-motion"))
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=20)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    pipeline = StableVideoDiffusionPipeline.from_pretrained(options.folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    scenes = random_scenes(options.pictures, torch.Generator().manual_seed(options.seed))
    pictures = render(scenes)
    rows = []
    for bucket in BUCKETS:
        videos = animate(pipeline, pictures, bucket, options.seed, options.steps)
        rows.append(compare(videos, scenes, bucket))
    print(table(rows))
    sys.exit(0 if meets_bounds(rows) else 1)


if __name__ == "__main__":
    main()
