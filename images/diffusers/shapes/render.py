"""Draw one flat shape on a flat background: batches of 64×64 pictures from signed distances, anti-aliased.

Coordinates are pixels, x to the right and y down; a shape's signed distance is negative inside.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from images.diffusers.shapes.colours import COLOURS

SIDE = 64
SHAPES = ("circle", "square", "triangle", "star")
PLACES = ("left", "center", "right")
SIZES = ("small", "big")
PLACE_X = (20.0, 32.0, 44.0)
SIZE_RADIUS = (10.0, 16.0)
PALETTE = torch.tensor(list(COLOURS.values()), dtype=torch.float32) / 255


@dataclass(frozen=True)
class Scenes:
    """A batch of scenes, (n,) each. Integers index SHAPES, the colours' NAMES, PLACES, SIZES; the rest are pixels."""

    shape: Tensor
    colour: Tensor
    background: Tensor
    place: Tensor
    size: Tensor
    x: Tensor
    y: Tensor
    radius: Tensor

    def __len__(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Tensor | slice) -> "Scenes":
        return Scenes(*(getattr(self, field.name)[index] for field in fields(self)))


def place_scenes(
    shape: Tensor, colour: Tensor, background: Tensor, place: Tensor, size: Tensor, *, dice: torch.Generator
) -> Scenes:
    """Complete the named attributes (each (n,) of indices) with jittered positions and radii."""
    jitter = torch.rand(3, len(shape), generator=dice) * 2 - 1
    radius = torch.tensor(SIZE_RADIUS)[size] + 1.2 * jitter[0]
    x = torch.tensor(PLACE_X)[place] + 2.0 * jitter[1]
    y = SIDE / 2 + 4.0 * jitter[2]
    return Scenes(shape, colour, background, place, size, x, y, radius)


def random_scenes(count: int, dice: torch.Generator) -> Scenes:
    """`count` scenes, all attributes uniform, the background's colour never the shape's."""

    def draw(choices: int) -> Tensor:
        return torch.randint(choices, (count,), generator=dice)

    colour = draw(len(PALETTE))
    background = (colour + 1 + draw(len(PALETTE) - 1)) % len(PALETTE)
    return place_scenes(draw(len(SHAPES)), colour, background, draw(len(PLACES)), draw(len(SIZES)), dice=dice)


def circle_distance(x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    return torch.hypot(x, y) - radius


def square_distance(x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.9 * radius


def triangle_distance(x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    """Equilateral, one corner up, its box centred on the origin."""
    y = y - 0.3 * radius
    slanted = x.abs() * math.cos(math.pi / 6) - y * math.sin(math.pi / 6)
    return torch.maximum(slanted, y) - 0.6 * radius


def star_distance(x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    """Five points, one up: fold the plane onto half a point, then one edge's line."""
    outer, inner, fold = 1.2 * radius, 0.5 * radius, math.pi / 5
    angle = torch.remainder(torch.atan2(x, -y) + fold, 2 * fold) - fold
    length = torch.hypot(x, y)
    along, across = length * torch.cos(angle), length * torch.sin(angle).abs()
    edge_along, edge_across = inner * math.cos(fold) - outer, inner * math.sin(fold)
    signed = (along - outer) * edge_across - across * edge_along
    return signed / torch.hypot(edge_along, edge_across)


DISTANCES = (circle_distance, square_distance, triangle_distance, star_distance)


def coverage(scenes: Scenes) -> Tensor:
    """How much of each pixel the shape covers, 0 to 1: (n, 1, 64, 64)."""
    centres = torch.arange(SIDE) + 0.5
    x = centres.view(1, 1, SIDE) - scenes.x.view(-1, 1, 1)
    y = centres.view(1, SIDE, 1) - scenes.y.view(-1, 1, 1)
    x, y = torch.broadcast_tensors(x, y)
    radius = scenes.radius.view(-1, 1, 1)
    distance = torch.empty_like(x)
    for kind, signed_distance in enumerate(DISTANCES):
        chosen = scenes.shape == kind
        distance[chosen] = signed_distance(x[chosen], y[chosen], radius[chosen])
    return (0.5 - distance).clamp(0, 1).unsqueeze(1)


def render(scenes: Scenes) -> Tensor:
    """RGB pictures, 0 to 1: (n, 3, 64, 64)."""
    cover = coverage(scenes)
    shape_colour = PALETTE[scenes.colour].view(-1, 3, 1, 1)
    background_colour = PALETTE[scenes.background].view(-1, 3, 1, 1)
    return background_colour + cover * (shape_colour - background_colour)
