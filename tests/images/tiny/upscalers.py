"""Tiny models that make pictures larger."""

from collections.abc import Callable, Mapping
from pathlib import Path

from diffusers import (
    DDPMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionLatentUpscalePipeline,
    StableDiffusionUpscalePipeline,
)

from tests.images.tiny.pictures import BETAS, autoencoder, ddim, unet
from tests.images.tiny.texts import clip_text, clip_tokenizer


def upscale(folder: Path) -> None:
    """Latents, and the pixels of the small picture; the VAE makes four of one, as the full-sized one does."""
    StableDiffusionUpscalePipeline(
        vae=autoencoder((4, 4, 8), scaling_factor=0.08333),
        text_encoder=clip_text(hidden=8, heads=2),
        tokenizer=clip_tokenizer(),
        unet=unet(in_channels=4 + 3, num_class_embeds=1000),
        low_res_scheduler=DDPMScheduler(**BETAS),
        scheduler=ddim(),
        max_noise_level=350,
    ).save_pretrained(folder)


def latent_upscale(folder: Path) -> None:
    denoiser = unet(
        # A group of its norms has 32 channels; the last two blocks are as wide as the time, or the skips do not fit.
        block_out_channels=(32, 64, 64),
        layers_per_block=1,
        attention_head_dim=8,
        # Latents, those of the small picture; and out come the latents and a variance that nobody reads.
        in_channels=4 + 4,
        out_channels=4 + 1,
        conv_in_kernel=1,
        conv_out_kernel=1,
        down_block_types=("KDownBlock2D", "KCrossAttnDownBlock2D", "KCrossAttnDownBlock2D"),
        up_block_types=("KCrossAttnUpBlock2D", "KCrossAttnUpBlock2D", "KUpBlock2D"),
        mid_block_type=None,
        act_fn="gelu",
        norm_num_groups=None,
        resnet_time_scale_shift="scale_shift",
        time_embedding_type="fourier",
        timestep_post_act="gelu",
        # The pooled text, and the noise level as 64 ones and 64 zeros.
        time_cond_proj_dim=128 + 8,
        sample_size=128,
    )
    StableDiffusionLatentUpscalePipeline(
        vae=autoencoder((4, 4, 8, 8)),
        text_encoder=clip_text(hidden=8, heads=2),
        tokenizer=clip_tokenizer(),
        unet=denoiser,
        scheduler=EulerDiscreteScheduler(**BETAS),
    ).save_pretrained(folder)


BUILDERS: Mapping[str, Callable[[Path], None]] = {"upscale": upscale, "latent-upscale": latent_upscale}
