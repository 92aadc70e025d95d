"""The picture encoder of `shapes-motion`: a small CLIP vision model that learns to say what a picture shows."""

import torch
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import _resize_with_antialiasing
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

from images.diffusers.shapes.loop import Plan, Training, fit
from images.diffusers.shapes.render import random_scenes, render
from images.diffusers.shapes.text import CHOICES

WIDTH = 64
INPUT_SIDE = 224


def build_vision_encoder() -> CLIPVisionModelWithProjection:
    """An untrained CLIP vision model with 49 patches."""
    config = CLIPVisionConfig(
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=INPUT_SIDE,
        patch_size=32,
        projection_dim=WIDTH,
    )
    return CLIPVisionModelWithProjection(config)


def vision_pixels(pictures: Tensor) -> Tensor:
    """Pictures 0 to 1 as the pipeline hands them to the vision model: (n, 3, 224, 224)."""
    processor = CLIPImageProcessorPil()
    mean, deviation = torch.tensor(processor.image_mean), torch.tensor(processor.image_std)
    resized: Tensor = (_resize_with_antialiasing(pictures * 2 - 1, (INPUT_SIDE, INPUT_SIDE)) + 1) / 2
    return (resized - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)


class Viewer(nn.Module):
    """The vision model with one linear head an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = build_vision_encoder()
        self.heads = nn.ModuleList(nn.Linear(WIDTH, choices) for choices in CHOICES)

    def loss(self, batch: int, dice: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The heads' cross-entropy on `batch` fresh pictures, and how often all five are right."""
        scenes = random_scenes(batch, dice)
        embeds = self.encoder(vision_pixels(render(scenes))).image_embeds
        truths = (scenes.shape, scenes.colour, scenes.background, scenes.place, scenes.size)
        scores = [head(embeds) for head in self.heads]
        right = torch.stack([score.argmax(1) == truth for score, truth in zip(scores, truths, strict=True)], 1)
        loss = torch.stack([cross_entropy(score, truth) for score, truth in zip(scores, truths, strict=True)]).sum()
        return loss, {"right": right.all(1).float().mean().item()}


def train_vision_encoder(training: Training, plan: Plan) -> CLIPVisionModelWithProjection:
    """The vision model trained to tell what is shown."""
    viewer = Viewer()
    fit(viewer, lambda dice: viewer.loss(plan.batch, dice), training, plan)
    return viewer.encoder
