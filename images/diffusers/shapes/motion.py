"""`shapes-motion`: a small Stable Video Diffusion UNet that makes the given picture's shape slide.

The rule it learns: the shape moves horizontally toward the side with more room (from the centre: right), at even speed
through 8 frames, 24 pixels in all at `motion_bucket_id` 255 and proportionally less below, and stops at the border.
"""

from dataclasses import replace

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from transformers import CLIPVisionModelWithProjection

from images.diffusers.shapes.latents import encode
from images.diffusers.shapes.loop import Plan, Training, fit
from images.diffusers.shapes.render import SIDE, Scenes, random_scenes, render
from images.diffusers.shapes.vision import WIDTH, vision_pixels

FRAMES = 8
FARTHEST = 24
TOP_BUCKET = 255
HALF_WIDTHS = (1.0, 0.9, 1.04, 1.15)
TIME_WIDTH = 32


def build_motion_unet() -> UNetSpatioTemporalConditionModel:
    """An untrained UNet of Stable Video Diffusion's blocks."""
    return UNetSpatioTemporalConditionModel(
        sample_size=SIDE // 8,
        in_channels=8,
        out_channels=4,
        block_out_channels=(64, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=WIDTH,
        num_attention_heads=4,
        addition_time_embed_dim=TIME_WIDTH,
        projection_class_embeddings_input_dim=3 * TIME_WIDTH,
        num_frames=FRAMES,
    )


def build_motion_scheduler() -> EulerDiscreteScheduler:
    """Stable Video Diffusion's scheduler; the highest noise is lower, for latents of 8×8."""
    return EulerDiscreteScheduler(
        prediction_type="v_prediction",
        timestep_type="continuous",
        use_karras_sigmas=True,
        sigma_min=0.01,
        sigma_max=80.0,
        timestep_spacing="leading",
        steps_offset=1,
    )


def slide(scenes: Scenes, pixels: int) -> Scenes:
    """The scenes after their shapes moved `pixels`, or as far as the border lets them."""
    direction = torch.where(scenes.x <= SIDE * 0.58, 1.0, -1.0)
    half_width = torch.tensor(HALF_WIDTHS)[scenes.shape] * scenes.radius
    room = torch.where(direction > 0, SIDE - scenes.x, scenes.x) - half_width - 1
    return replace(scenes, x=scenes.x + direction * room.clamp(0, pixels))


class MotionBank:
    """Each scene's latents after 0 to 24 pixels of sliding (n, 25, 4, 8, 8), and its picture's embedding (n, 1, 64)."""

    def __init__(self, tracks: Tensor, embeds: Tensor) -> None:
        self.tracks, self.embeds = tracks, embeds

    def draw(self, batch: int, dice: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Videos (batch, 8, 4, 8, 8) with random buckets (batch,), and their first pictures' embeddings."""
        chosen = torch.randint(len(self.tracks), (batch,), generator=dice)
        buckets = torch.randint(TOP_BUCKET + 1, (batch,), generator=dice)
        travel = torch.arange(FRAMES) / (FRAMES - 1) * buckets.unsqueeze(1) * FARTHEST / TOP_BUCKET
        return self.tracks[chosen.unsqueeze(1), travel.round().long()], buckets, self.embeds[chosen]


def fill_motion_bank(
    autoencoder: AutoencoderKL, vision: CLIPVisionModelWithProjection, count: int, dice: torch.Generator
) -> MotionBank:
    """Render and encode `count` scenes at every pixel of their way."""
    scenes = random_scenes(count, dice)
    tracks = torch.stack([encode(autoencoder, render(slide(scenes, way))) for way in range(FARTHEST + 1)], 1)
    with torch.inference_mode():
        chunks = [vision(vision_pixels(chunk)).image_embeds for chunk in render(scenes).split(64)]
    return MotionBank(tracks, torch.cat(chunks).unsqueeze(1).clone())


def noise_response(autoencoder: AutoencoderKL, dice: torch.Generator) -> float:
    """How far latents move, in deviations, per unit of noise on the picture (what `noise_aug_strength` scales)."""
    pictures = render(random_scenes(128, dice))
    noisy = pictures + 0.02 / 2 * torch.randn(pictures.shape, generator=dice)
    return (encode(autoencoder, noisy) - encode(autoencoder, pictures)).std().item() / 0.02


class Mover(nn.Module):
    """The UNet under training, with Karras' preconditioning as the pipeline's scheduler applies it."""

    def __init__(self, response: float) -> None:
        super().__init__()
        self.unet = build_motion_unet()
        self.response = response

    def loss(self, bank: MotionBank, batch: int, dice: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The velocity's mean squared error at log-normal noise levels; one condition in ten is left empty."""
        videos, buckets, embeds = bank.draw(batch, dice)
        strength = 0.1 * torch.rand(batch, generator=dice).square()
        fps = torch.randint(24, (batch,), generator=dice)
        jitter = self.response * strength.view(-1, 1, 1, 1) * torch.randn(videos[:, 0].shape, generator=dice)
        kept = (torch.rand(batch, generator=dice) >= 0.1).float()
        pictures = (videos[:, 0] + jitter) * kept.view(-1, 1, 1, 1)
        sigma = (0.5 + 1.6 * torch.randn(batch, generator=dice)).exp().view(-1, 1, 1, 1, 1)
        noisy = videos + sigma * torch.randn(videos.shape, generator=dice)
        spread = (sigma.square() + 1).sqrt()
        target = (noisy / spread - videos * spread) / sigma
        conditions = pictures.unsqueeze(1).expand(-1, FRAMES, -1, -1, -1)
        predicted = self.unet(
            torch.cat([noisy / spread, conditions], 2),
            sigma.flatten().log() / 4,
            embeds * kept.view(-1, 1, 1),
            torch.stack([fps, buckets, strength], 1),
        ).sample
        return mse_loss(predicted, target), {}


def train_mover(mover: Mover, bank: MotionBank, training: Training, plan: Plan) -> Mover:
    """Train (or resume) on the bank's videos; the mover then holds the averaged weights."""
    fit(mover, lambda dice: mover.loss(bank, plan.batch, dice), training, plan)
    return mover
