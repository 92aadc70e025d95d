"""A bank of scenes and their latents, encoded once, so that a denoiser's step needs no encoder."""

from dataclasses import astuple
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from images.diffusers.shapes.autoencoder import to_pixels
from images.diffusers.shapes.render import Scenes, random_scenes, render


class Bank:
    """Scenes with their latents (n, 4, 8, 8)."""

    def __init__(self, scenes: Scenes, latents: Tensor) -> None:
        self.scenes, self.latents = scenes, latents

    def draw(self, batch: int, dice: torch.Generator) -> tuple[Scenes, Tensor]:
        """`batch` of them at random."""
        chosen = torch.randint(len(self.scenes), (batch,), generator=dice)
        return self.scenes[chosen], self.latents[chosen]

    def save(self, path: Path) -> None:
        torch.save([*astuple(self.scenes), self.latents], path)

    @classmethod
    def load(cls, path: Path) -> "Bank":
        *columns, latents = torch.load(path, weights_only=True)
        return cls(Scenes(*columns), latents)


def encode(model: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Latents (n, 4, 8, 8) of pictures 0 to 1, as the pipelines scale them."""
    with torch.inference_mode():
        chunks = [model.encode(to_pixels(chunk)).latent_dist.mode() for chunk in pictures.split(64)]
    scale: float = model.config.scaling_factor
    return torch.cat(chunks).clone() * scale


def fill_bank(model: AutoencoderKL, count: int, dice: torch.Generator) -> Bank:
    """Render and encode `count` scenes, 1024 at a time."""
    parts = [random_scenes(min(1024, count - start), dice) for start in range(0, count, 1024)]
    latents = torch.cat([encode(model, render(part)) for part in parts])
    columns = zip(*(astuple(part) for part in parts), strict=True)
    return Bank(Scenes(*(torch.cat(column) for column in columns)), latents)
