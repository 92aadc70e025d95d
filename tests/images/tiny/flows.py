"""Tiny models that were to be trained by flow matching, with CLIP and T5: Stable Diffusion 3, FLUX.1."""

from collections.abc import Callable, Mapping
from pathlib import Path

from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxFillPipeline,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)

from tests.images.tiny.pictures import autoencoder
from tests.images.tiny.texts import (
    clip_text,
    clip_text_with_projection,
    clip_tokenizer,
    t5_encoder,
    t5_tokenizer,
    widened,
)


def autoencoder_of_eight(latents: int) -> AutoencoderKL:
    """Pictures to latents of an eighth of the size, without the convolutions that the older models have between."""
    bare = {"use_quant_conv": False, "use_post_quant_conv": False}
    return autoencoder((4, 4, 4, 4), latents, **bare, shift_factor=0.0609, scaling_factor=1.5)


def sd3(folder: Path) -> None:
    tokenizer = clip_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        # Inpainting wants sixteen.
        in_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        # The two CLIP encoders' states side by side, padded to T5's width.
        joint_attention_dim=64,
        caption_projection_dim=32,
        pooled_projection_dim=64,
        out_channels=16,
    )
    StableDiffusion3Pipeline(
        transformer=widened(transformer, 2.0),
        vae=autoencoder_of_eight(16),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=clip_text_with_projection(),
        tokenizer=tokenizer,
        text_encoder_2=clip_text_with_projection(),
        tokenizer_2=tokenizer,
        text_encoder_3=t5_encoder(width=64),
        tokenizer_3=t5_tokenizer(),
        image_encoder=None,
        feature_extractor=None,
    ).save_pretrained(folder)


def _flux(inputs: int, guided: bool) -> dict[str, object]:
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=inputs,
        # Latents have two channels, packed in squares of two.
        out_channels=8,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guided,
    )
    return {
        "transformer": widened(transformer, 2.0),
        "vae": autoencoder_of_eight(2),
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=guided, shift=3.0 if guided else 1.0),
        "text_encoder": clip_text(),
        "tokenizer": clip_tokenizer(),
        "text_encoder_2": t5_encoder(),
        "tokenizer_2": t5_tokenizer(),
    }


def flux_dev(folder: Path) -> None:
    FluxPipeline(**_flux(8, guided=True)).save_pretrained(folder)


def flux_schnell(folder: Path) -> None:
    FluxPipeline(**_flux(8, guided=False)).save_pretrained(folder)


def flux_kontext(folder: Path) -> None:
    FluxKontextPipeline(**_flux(8, guided=True)).save_pretrained(folder)


def flux_fill(folder: Path) -> None:
    """Latents, those of the masked picture, and the mask: a pixel of it is a channel, and sixteen a side are packed."""
    FluxFillPipeline(**_flux(8 + 8 + 16 * 16, guided=True)).save_pretrained(folder)


BUILDERS: Mapping[str, Callable[[Path], None]] = {
    "sd3": sd3,
    "flux-dev": flux_dev,
    "flux-schnell": flux_schnell,
    "flux-kontext": flux_kontext,
    "flux-fill": flux_fill,
}
