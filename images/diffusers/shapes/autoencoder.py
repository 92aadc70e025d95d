"""The autoencoder: 64×64 pictures to 8×8×4 latents and back, trained on rendered scenes."""

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import max_pool2d

from images.diffusers.shapes.loop import Plan, Training, dice_of, fit
from images.diffusers.shapes.render import SIDE, coverage, random_scenes, render

CHANNELS = (32, 32, 64, 64)
GROUPS = 16
KL_WEIGHT = 3e-4


def build_autoencoder() -> AutoencoderKL:
    """An untrained autoencoder. Its decoder has one working block in the middle, as Stable Video Diffusion's has."""
    model = AutoencoderKL(
        block_out_channels=CHANNELS,
        down_block_types=["DownEncoderBlock2D"] * len(CHANNELS),
        up_block_types=["UpDecoderBlock2D"] * len(CHANNELS),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=GROUPS,
        sample_size=SIDE,
        mid_block_add_attention=False,
        force_upcast=False,
    )
    idle = model.decoder.mid_block.resnets[1]
    torch.nn.init.zeros_(idle.conv2.weight)
    torch.nn.init.zeros_(idle.conv2.bias)
    idle.requires_grad_(False)
    return model.to(memory_format=torch.channels_last)


def to_pixels(pictures: Tensor) -> Tensor:
    """From 0..1 to the autoencoder's −1..1, channels last."""
    return (pictures * 2 - 1).contiguous(memory_format=torch.channels_last)


def rim(cover: Tensor) -> Tensor:
    """1 where a shape's edge is at most two pixels away, else 0: there, circle and star differ."""
    return max_pool2d(cover, 5, 1, 2) + max_pool2d(1 - cover, 5, 1, 2) - 1


def balanced(error: Tensor, cover: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of `error` (n, 1, h, w) over the shapes' pixels and over the backgrounds' pixels."""
    inside = (error * cover).sum((1, 2, 3)) / cover.sum((1, 2, 3))
    outside = (error * (1 - cover)).sum((1, 2, 3)) / (1 - cover).sum((1, 2, 3))
    return inside.mean(), outside.mean()


def picture_loss(error: Tensor, cover: Tensor) -> tuple[Tensor, dict[str, float]]:
    """The loss and its parts: a small shape weighs as much as a wide background, and its edge as much again."""
    strength = (error.abs() + error.square()).mean(1, keepdim=True)
    inside, outside = balanced(strength, cover)
    edge, _ = balanced(strength, rim(cover))
    parts = {"shape": inside.item(), "background": outside.item(), "edge": edge.item()}
    return inside + outside + edge, parts


def autoencoder_loss(model: AutoencoderKL, batch: int, dice: torch.Generator) -> tuple[Tensor, dict[str, float]]:
    """The loss on `batch` fresh scenes, and its parts."""
    scenes = random_scenes(batch, dice)
    pixels, cover = to_pixels(render(scenes)), coverage(scenes)
    posterior = model.encode(pixels).latent_dist
    noise = torch.randn(posterior.mean.shape, generator=dice)
    loss, parts = picture_loss(model.decode(posterior.mean + posterior.std * noise).sample - pixels, cover)
    kl = posterior.kl().mean() / posterior.mean[0].numel()
    return loss + KL_WEIGHT * kl, parts | {"kl": kl.item()}


def fold_into_first_convolution(model: AutoencoderKL, scale: Tensor, shift: Tensor) -> None:
    """Let the decoder's first convolution undo `latent = (old − shift) / scale` and do the 1×1 convolution before it.

    That one is left as the identity: Stable Video Diffusion's decoder has none.
    """
    before, first = model.post_quant_conv, model.decoder.conv_in
    matrix = before.weight[:, :, 0, 0] * scale
    offset = before.bias + before.weight[:, :, 0, 0] @ shift
    first.bias += torch.einsum("ochw,c->o", first.weight, offset)
    first.weight.copy_(torch.einsum("ochw,ci->oihw", first.weight, matrix))
    before.weight.copy_(torch.eye(4).view(4, 4, 1, 1))
    before.bias.zero_()


def settle_latents(model: AutoencoderKL, dice: torch.Generator) -> None:
    """Give each latent channel mean 0 and deviation about 1, and no noise of its own."""
    with torch.no_grad():
        pixels = to_pixels(render(random_scenes(1024, dice)))
        posteriors = [model.encode(chunk).latent_dist for chunk in pixels.split(64)]
        means = torch.cat([posterior.mean for posterior in posteriors])
        noise = torch.cat([posterior.var for posterior in posteriors]).mean((0, 2, 3))
        shift, scale = means.mean((0, 2, 3)), (means.var((0, 2, 3)) + noise).sqrt()
        out = model.quant_conv
        out.weight[:4] /= scale.view(4, 1, 1, 1)
        out.bias[:4] = (out.bias[:4] - shift) / scale
        out.weight[4:] = 0
        out.bias[4:] = -14.0
        fold_into_first_convolution(model, scale, shift)


def decoder_loss(model: AutoencoderKL, batch: int, dice: torch.Generator) -> tuple[Tensor, dict[str, float]]:
    """As `autoencoder_loss`, the encoder standing still and the latents as inexact as a denoiser's."""
    scenes = random_scenes(batch, dice)
    pixels, cover = to_pixels(render(scenes)), coverage(scenes)
    with torch.no_grad():
        latents = model.encode(pixels).latent_dist.mean
    spread = 0.15 * torch.rand(batch, 1, 1, 1, generator=dice)
    error = model.decode(latents + spread * torch.randn(latents.shape, generator=dice)).sample - pixels
    return picture_loss(error, cover)


def train_autoencoder(training: Training, plan: Plan) -> AutoencoderKL:
    """Train (or resume) encoder and decoder together, and settle the latents."""
    model = build_autoencoder()
    fit(model, lambda dice: autoencoder_loss(model, plan.batch, dice), training, plan)
    settle_latents(model, dice_of(plan.seed, 0))
    model.register_to_config(scaling_factor=1.0)
    return model.eval()


def train_decoder(model: AutoencoderKL, training: Training, plan: Plan) -> AutoencoderKL:
    """Train the decoder alone; the latents stay what they are."""
    frozen = (model.encoder, model.quant_conv, model.post_quant_conv, model.decoder.mid_block.resnets[1])
    for part in frozen:
        part.requires_grad_(False)
    fit(model, lambda dice: decoder_loss(model, plan.batch, dice), training, plan)
    return model.eval()
