"""Tiny models of the Stable Diffusion 1 architecture."""

from collections.abc import Callable, Mapping
from pathlib import Path

from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)

from tests.images.tiny.texts import clip_text, clip_tokenizer

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def autoencoder(channels: tuple[int, ...] = (4, 8), latents: int = 4, **more: object) -> AutoencoderKL:
    """Pictures to latents, half the size for every channel count after the first."""
    return AutoencoderKL(
        block_out_channels=channels,
        down_block_types=["DownEncoderBlock2D"] * len(channels),
        up_block_types=["UpDecoderBlock2D"] * len(channels),
        latent_channels=latents,
        norm_num_groups=2,
        **more,
    )


def unet(**more: object) -> UNet2DConditionModel:
    sizes: dict[str, object] = {
        "block_out_channels": (4, 8),
        "layers_per_block": 1,
        "sample_size": 32,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 8,
        "norm_num_groups": 2,
    }
    return UNet2DConditionModel(**(sizes | more))


def ddim() -> DDIMScheduler:
    return DDIMScheduler(**BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1)


def _parts(denoiser: UNet2DConditionModel) -> dict[str, object]:
    """What the pipelines of this architecture consist of, but for the scheduler."""
    nothing = dict.fromkeys(("safety_checker", "feature_extractor", "image_encoder"))
    texts = {"text_encoder": clip_text(hidden=8, heads=2, spread=10.0), "tokenizer": clip_tokenizer()}
    return {"unet": denoiser, "vae": autoencoder(), **texts, **nothing, "requires_safety_checker": False}


def sd15(folder: Path) -> None:
    StableDiffusionPipeline(**_parts(unet()), scheduler=ddim()).save_pretrained(folder)


def sd15_inpaint(folder: Path) -> None:
    """Latents, a mask, and the latents of what the mask leaves."""
    StableDiffusionInpaintPipeline(**_parts(unet(in_channels=9)), scheduler=ddim()).save_pretrained(folder)


def instruct_pix2pix(folder: Path) -> None:
    """Latents, and those of the picture that is edited."""
    StableDiffusionInstructPix2PixPipeline(**_parts(unet(in_channels=8)), scheduler=ddim()).save_pretrained(folder)


def lcm(folder: Path) -> None:
    """Guidance is an input."""
    scheduler = LCMScheduler(**BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    parts = _parts(unet(time_cond_proj_dim=32))
    LatentConsistencyModelPipeline(**parts, scheduler=scheduler).save_pretrained(folder)


BUILDERS: Mapping[str, Callable[[Path], None]] = {
    "sd15": sd15,
    "sd15-inpaint": sd15_inpaint,
    "instruct-pix2pix": instruct_pix2pix,
    "lcm": lcm,
}
