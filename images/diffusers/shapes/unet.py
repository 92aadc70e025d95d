"""The denoiser: a small Stable Diffusion 1.5 UNet on 8×8×4 latents, trained together with the text encoder."""

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn.functional import max_pool2d
from transformers import CLIPTextModel, CLIPTokenizer

from images.diffusers.shapes.autoencoder import rim
from images.diffusers.shapes.latents import Bank
from images.diffusers.shapes.loop import Plan, Training, fit
from images.diffusers.shapes.render import SIDE, Scenes, coverage
from images.diffusers.shapes.text import WIDTH, describe, tokens_of

LATENT_SIDE = 8
NOISE_STEPS = 1000
UNCONDITIONAL = 0.1
EDGE_WEIGHT = 4.0


def build_unet() -> UNet2DConditionModel:
    """An untrained UNet of Stable Diffusion 1.5's blocks; attention to the caption at 8×8 and in the middle."""
    return UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_scheduler() -> DDIMScheduler:
    """The noise schedule. It ends in almost pure noise, so that a flat background can be black or white."""
    return DDIMScheduler(
        num_train_timesteps=NOISE_STEPS,
        beta_start=0.0001,
        beta_end=0.02,
        beta_schedule="linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
        timestep_spacing="trailing",
    )


class Painter(nn.Module):
    """UNet and text encoder under training."""

    def __init__(self, tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder
        self.unet = build_unet()
        self.scheduler = build_scheduler()

    def loss(self, bank: Bank, batch: int, dice: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The velocity's mean squared error at random noise levels, one caption in ten left empty.

        Low noise is drawn more often than high, and a latent that holds a shape's edge weighs more than one of flat
        colour: with neither, circle and square stay alike long after all else is right.
        """
        scenes, latents = bank.draw(batch, dice)
        _, captions = describe(scenes, dice)
        dropped = torch.rand(batch, generator=dice) < UNCONDITIONAL
        captions = ["" if drop else caption for caption, drop in zip(captions, dropped, strict=True)]
        states = self.text_encoder(tokens_of(self.tokenizer, captions)).last_hidden_state
        times = (NOISE_STEPS * torch.rand(batch, generator=dice).square()).long()
        noise = torch.randn(latents.shape, generator=dice)
        noisy = self.scheduler.add_noise(latents, noise, times)
        velocity = self.scheduler.get_velocity(latents, noise, times)
        error = (self.unet(noisy, times, states).sample - velocity).square()
        return (error * edge_weight(scenes)).mean(), {"plain": error.mean().item()}


def edge_weight(scenes: Scenes) -> Tensor:
    """What each latent's error weighs, on average about 1: (n, 1, 8, 8)."""
    edge = max_pool2d(rim(coverage(scenes)), SIDE // LATENT_SIDE)
    return (1 + (EDGE_WEIGHT - 1) * edge) / (1 + (EDGE_WEIGHT - 1) * edge.mean())


def train_painter(painter: Painter, bank: Bank, training: Training, plan: Plan) -> Painter:
    """Train (or resume) on the bank's scenes; the painter then holds the averaged weights."""
    fit(painter, lambda dice: painter.loss(bank, plan.batch, dice), training, plan)
    return painter
