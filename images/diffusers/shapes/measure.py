"""Measure `shapes` by what its pictures show: `python -m images.diffusers.shapes.measure [FOLDER] [--truth]`.

Prints Markdown. Exit status 1 if a bound is not met.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from images.diffusers.shapes.captions import plain_caption
from images.diffusers.shapes.classify import Seen, classify
from images.diffusers.shapes.colours import NAMES
from images.diffusers.shapes.render import PLACES, SHAPES, SIZES, place_scenes, render

BOUNDS = {"colour": 0.95, "background": 0.95, "both colours": 0.95, "shape": 0.90}
BATCH = 56


@dataclass(frozen=True)
class Asked:
    """What each picture should show, (n,) each."""

    shape: Tensor
    colour: Tensor
    background: Tensor


def all_prompts() -> Asked:
    """The 224 combinations of colour, shape and background in which the two colours differ."""
    rows = [
        (shape, colour, background)
        for colour, shape, background in product(range(len(NAMES)), range(len(SHAPES)), range(len(NAMES)))
        if colour != background
    ]
    return Asked(*torch.tensor(rows).unbind(1))


def captions(asked: Asked) -> list[str]:
    rows = torch.stack([asked.shape, asked.colour, asked.background], 1).tolist()
    return [plain_caption(SHAPES[shape], NAMES[colour], NAMES[background]) for shape, colour, background in rows]


def truth(asked: Asked, seed: int) -> Tensor:
    """Rendered pictures of what was asked, with jittered places and sizes: (n, 3, 64, 64)."""
    dice = torch.Generator().manual_seed(seed)
    place = torch.randint(len(PLACES), (len(asked.shape),), generator=dice)
    size = torch.randint(len(SIZES), (len(asked.shape),), generator=dice)
    return render(place_scenes(asked.shape, asked.colour, asked.background, place, size, dice=dice))


def paint(folder: Path, prompts: list[str], seed: int, steps: int, guidance: float) -> Tensor:
    """Pictures (n, 3, 64, 64), 0 to 1, by the real pipeline; the i-th from seed + i."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    painted = []
    for start in range(0, len(prompts), BATCH):
        chunk = prompts[start : start + BATCH]
        dice = [torch.Generator().manual_seed(seed + start + i) for i in range(len(chunk))]
        painted.append(
            pipeline(chunk, num_inference_steps=steps, guidance_scale=guidance, generator=dice, output_type="pt").images
        )
    return torch.cat(painted)


def correctness(seen: Seen, asked: Asked) -> dict[str, Tensor]:
    """Which pictures are right in what, (n,) of truth values each."""
    colour, background = seen.colour == asked.colour, seen.background == asked.background
    return {
        "colour": colour,
        "background": background,
        "both colours": colour & background,
        "shape": seen.shape == asked.shape,
    }


def percent(right: Tensor) -> str:
    return f"{100 * right.float().mean().item():.1f} %"


def groups(asked: Asked) -> Iterator[tuple[str, Tensor]]:
    """The table's rows: all, then by shape, shape colour and background."""
    yield "all", torch.ones_like(asked.shape, dtype=torch.bool)
    for index, name in enumerate(SHAPES):
        yield name, asked.shape == index
    for index, name in enumerate(NAMES):
        yield f"{name} shape", asked.colour == index
    for index, name in enumerate(NAMES):
        yield f"{name} background", asked.background == index


def table(right: dict[str, Tensor], asked: Asked) -> str:
    lines = ["| pictures | n | " + " | ".join(right) + " |", "|---|--:|" + "--:|" * len(right)]
    for name, chosen in groups(asked):
        cells = [percent(values[chosen]) for values in right.values()]
        lines.append(f"| {name} | {int(chosen.sum())} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def meets_bounds(right: dict[str, Tensor]) -> bool:
    return all(right[name].float().mean().item() >= bound for name, bound in BOUNDS.items())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="images.diffusers.shapes.measure", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("images/diffusers/shapes/weights/shapes"))
    parser.add_argument("--truth", action="store_true", help="measure the classifier on rendered pictures instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=4.0)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    asked = all_prompts()
    if options.truth:
        pictures = truth(asked, options.seed)
    else:
        pictures = paint(options.folder, captions(asked), options.seed, options.steps, options.guidance)
    right = correctness(classify(pictures), asked)
    print(table(right, asked))
    sys.exit(0 if meets_bounds(right) else 1)


if __name__ == "__main__":
    main()
