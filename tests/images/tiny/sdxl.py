"""Tiny models of the Stable Diffusion XL architecture."""

from collections.abc import Callable, Mapping
from pathlib import Path

from diffusers import EulerAncestralDiscreteScheduler, EulerDiscreteScheduler, LCMScheduler, StableDiffusionXLPipeline

from tests.images.tiny.pictures import BETAS, autoencoder, unet
from tests.images.tiny.texts import clip_text, clip_text_with_projection, clip_tokenizer


def _save(folder: Path, scheduler: object, **more: object) -> None:
    tokenizer = clip_tokenizer()
    denoiser = unet(
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        # Six numbers of the size, and the second encoder's pooled text.
        projection_class_embeddings_input_dim=6 * 8 + 32,
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=64,
        **more,
    )
    StableDiffusionXLPipeline(
        unet=denoiser,
        vae=autoencoder(),
        scheduler=scheduler,
        text_encoder=clip_text(),
        text_encoder_2=clip_text_with_projection(),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        image_encoder=None,
        feature_extractor=None,
    ).save_pretrained(folder)


def sdxl(folder: Path) -> None:
    _save(folder, EulerDiscreteScheduler(**BETAS, steps_offset=1, timestep_spacing="leading"))


def turbo(folder: Path) -> None:
    _save(folder, EulerAncestralDiscreteScheduler(**BETAS, steps_offset=1, timestep_spacing="trailing"))


def lightning(folder: Path) -> None:
    _save(folder, EulerDiscreteScheduler(**BETAS, steps_offset=1, timestep_spacing="trailing"))


def lcm(folder: Path) -> None:
    _save(folder, LCMScheduler(**BETAS, steps_offset=1), time_cond_proj_dim=32)


BUILDERS: Mapping[str, Callable[[Path], None]] = {
    "sdxl": sdxl,
    "sdxl-turbo": turbo,
    "sdxl-lightning": lightning,
    "sdxl-lcm": lcm,
}
