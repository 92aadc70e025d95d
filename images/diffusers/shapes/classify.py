"""Say what a picture shows: background colour, shape colour and shape, by colours and by overlap with drawn templates.

It knows nothing of how the picture was made. The background is the commonest named colour of the border, the shape's
colour the commonest other one, the shape the template that overlaps best over all places and radii.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, one_hot

from images.diffusers.shapes.render import PALETTE, SHAPES, SIDE, Scenes, coverage

RADII = tuple(8.0 + step for step in range(11))
REACH = 22
SHIFT = 3


@dataclass(frozen=True)
class Seen:
    """Answers, each (n,): indices of shapes and colours, the area and centre in pixels, the overlap 0 to 1."""

    shape: Tensor
    colour: Tensor
    background: Tensor
    area: Tensor
    x: Tensor
    y: Tensor
    overlap: Tensor


def nearest_colours(pictures: Tensor) -> Tensor:
    """The index of the nearest named colour of every pixel: (n, 64, 64)."""
    distances = (pictures.unsqueeze(1) - PALETTE.view(1, -1, 3, 1, 1)).square().sum(2)
    return distances.argmin(1)


def count_colours(indices: Tensor) -> Tensor:
    """How many pixels have each named colour: (n, 8)."""
    return one_hot(indices.flatten(1), len(PALETTE)).sum(1)


def border(indices: Tensor) -> Tensor:
    """The outermost three pixels of (n, 64, 64), flattened."""
    edge = torch.ones(SIDE, SIDE, dtype=torch.bool)
    edge[3:-3, 3:-3] = False
    return indices[:, edge]


def shape_mask(pictures: Tensor, colour: Tensor, background: Tensor) -> Tensor:
    """1 where a pixel lies nearer to the shape's colour than to the background's, 0 elsewhere: (n, 64, 64)."""

    def distance(index: Tensor) -> Tensor:
        return (pictures - PALETTE[index].view(-1, 3, 1, 1)).square().sum(1)

    return (distance(colour) < distance(background)).float()


def templates() -> tuple[Tensor, Tensor]:
    """Every shape at every radius (k, 44, 44), and its shape's index (k,)."""
    kinds = torch.arange(len(SHAPES)).repeat_interleave(len(RADII))
    radii = torch.tensor(RADII).repeat(len(SHAPES))
    middle = torch.full((len(kinds),), SIDE / 2)
    unused = torch.zeros_like(kinds)
    scenes = Scenes(kinds, unused, unused, unused, unused, middle, middle, radii)
    return middle_of((coverage(scenes)[:, 0] > 0.5).float(), REACH), kinds


def middle_of(masks: Tensor, reach: int) -> Tensor:
    """The square in the middle of (n, 64, 64), twice `reach` wide."""
    inner = slice(SIDE // 2 - reach, SIDE // 2 + reach)
    return masks[:, inner, inner]


def centroid(mask: Tensor) -> tuple[Tensor, Tensor]:
    """The mean x and y of a mask's pixels, (n,) each; the middle where it is empty."""
    ramp = torch.arange(SIDE) + 0.5
    area = mask.sum((1, 2))
    empty = area == 0
    x = torch.where(empty, SIDE / 2, (mask.sum(1) * ramp).sum(1) / area.clamp(min=1))
    y = torch.where(empty, SIDE / 2, (mask.sum(2) * ramp).sum(1) / area.clamp(min=1))
    return x, y


def centred(mask: Tensor) -> Tensor:
    """Each mask moved by whole pixels so that its centroid is in the middle."""
    columns, rows = (SIDE / 2 - part.round().long() for part in centroid(mask))
    shifts = zip(rows.tolist(), columns.tolist(), strict=True)
    return torch.stack([torch.roll(one, shift, (0, 1)) for one, shift in zip(mask, map(to_whole, shifts), strict=True)])


def to_whole(shift: tuple[float, float]) -> tuple[int, int]:
    return round(shift[0]), round(shift[1])


def best_overlap(mask: Tensor) -> tuple[Tensor, Tensor]:
    """The shape whose template has the highest intersection over union with the mask, and that ratio, (n,) each."""
    drawn, kinds = templates()
    common = conv2d(middle_of(centred(mask), REACH + SHIFT).unsqueeze(1), drawn.unsqueeze(1))
    union = mask.sum((1, 2)).view(-1, 1, 1, 1) + drawn.sum((1, 2)).view(1, -1, 1, 1) - common
    score, index = (common / union).flatten(2).amax(2).max(1)
    return kinds[index], score


def classify(pictures: Tensor) -> Seen:
    """Answers for pictures 0 to 1, (n, 3, 64, 64)."""
    indices = nearest_colours(pictures)
    background = count_colours(border(indices)).argmax(1)
    others = count_colours(indices).scatter(1, background.unsqueeze(1), -1)
    colour = others.argmax(1)
    mask = shape_mask(pictures, colour, background)
    shape, overlap = best_overlap(mask)
    x, y = centroid(mask)
    return Seen(shape, colour, background, mask.sum((1, 2)), x, y, overlap)
