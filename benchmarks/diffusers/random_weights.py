"""Full-sized pipelines with random weights: `python -m benchmarks.diffusers.random_weights NAME FOLDER DEVICE`.

The work is that of the real weights, and nothing is downloaded. Made on the device, in bfloat16.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    StableDiffusionXLPipeline,
    StableVideoDiffusionPipeline,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from tests.images.tiny.texts import clip_tokenizer, t5_tokenizer, t5_vocabulary

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
# Latents of real pictures in, pictures out; the sizes that all three have in common.
AUTOENCODER = {"block_out_channels": (128, 256, 512, 512), "down_block_types": ("DownEncoderBlock2D",) * 4}
LARGE = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
BIG = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}


def _text(sizes: Mapping[str, int]) -> CLIPTextConfig:
    width = sizes["hidden_size"]
    return CLIPTextConfig(**sizes, vocab_size=514, projection_dim=width, bos_token_id=0, eos_token_id=2, pad_token_id=1)


def _euler(**more: object) -> EulerDiscreteScheduler:
    # Its tables are read number by number: not on the device.
    with torch.device("cpu"):
        return EulerDiscreteScheduler(**BETAS, **more)


def _autoencoder(latents: int, **more: object) -> AutoencoderKL:
    up = ("UpDecoderBlock2D",) * 4
    return AutoencoderKL(
        **AUTOENCODER, up_block_types=up, layers_per_block=2, latent_channels=latents, force_upcast=False, **more
    )


def sdxl(folder: Path) -> None:
    unet = UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )
    StableDiffusionXLPipeline(
        unet=unet,
        vae=_autoencoder(4, scaling_factor=0.13025),
        scheduler=_euler(steps_offset=1, timestep_spacing="leading"),
        text_encoder=CLIPTextModel(_text(LARGE)),
        text_encoder_2=CLIPTextModelWithProjection(_text(BIG)),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
    ).save_pretrained(folder)


def flux(folder: Path) -> None:
    """As FLUX.1-schnell: no guidance embedding."""
    language = T5Config(
        vocab_size=len(t5_vocabulary()),
        d_model=4096,
        d_ff=10240,
        d_kv=64,
        num_layers=24,
        num_heads=64,
        feed_forward_proj="gated-gelu",
    )
    quantless = {"use_quant_conv": False, "use_post_quant_conv": False}
    FluxPipeline(
        transformer=FluxTransformer2DModel(),
        vae=_autoencoder(16, scaling_factor=0.3611, shift_factor=0.1159, **quantless),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
        text_encoder=CLIPTextModel(_text(LARGE)),
        tokenizer=clip_tokenizer(),
        text_encoder_2=T5EncoderModel(language).eval(),
        tokenizer_2=t5_tokenizer(),
    ).save_pretrained(folder)


def svd(folder: Path) -> None:
    """As SVD-XT: 25 frames."""
    vision = CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=5120,
        num_hidden_layers=32,
        num_attention_heads=16,
        image_size=224,
        patch_size=14,
        projection_dim=1024,
    )
    scheduler = _euler(
        prediction_type="v_prediction",
        sigma_min=0.002,
        sigma_max=700.0,
        timestep_type="continuous",
        use_karras_sigmas=True,
    )
    StableVideoDiffusionPipeline(
        unet=UNetSpatioTemporalConditionModel(sample_size=96),
        vae=AutoencoderKLTemporalDecoder(**AUTOENCODER, layers_per_block=2, force_upcast=False),
        scheduler=scheduler,
        image_encoder=CLIPVisionModelWithProjection(vision),
        feature_extractor=CLIPImageProcessor(),
    ).save_pretrained(folder)


BUILDERS: Mapping[str, Callable[[Path], None]] = {"sdxl": sdxl, "flux": flux, "svd": svd}


def main() -> None:
    name, folder, device = sys.argv[1:]
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        BUILDERS[name](Path(folder))


if __name__ == "__main__":
    main()
