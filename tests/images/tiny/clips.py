"""Tiny models that make clips."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLLTXVideo,
    AutoencoderKLTemporalDecoder,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    MotionAdapter,
    StableDiffusionPipeline,
    StableVideoDiffusionPipeline,
    UNetSpatioTemporalConditionModel,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    UMT5Config,
    UMT5EncoderModel,
)

from tests.images.tiny.pictures import BETAS, autoencoder, ddim, unet
from tests.images.tiny.texts import (
    clip_text,
    clip_tokenizer,
    t5_encoder,
    t5_sizes,
    t5_tokenizer,
    widened,
)

# Norms of the spatio-temporal blocks have 32 groups, so no block is narrower.
NARROWEST = 32


def _vision(kind: type[CLIPVisionModel] | type[CLIPVisionModelWithProjection]) -> CLIPVisionModel:
    sizes = {"hidden_size": 32, "projection_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    return kind(CLIPVisionConfig(**sizes, image_size=224, intermediate_size=37, patch_size=32)).eval()


def svd(folder: Path) -> None:
    denoiser = UNetSpatioTemporalConditionModel(
        sample_size=32,
        block_out_channels=(NARROWEST, NARROWEST),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=32,
        num_attention_heads=2,
        # Frames a second, motion and noise, each as a vector of 32.
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=96,
        num_frames=4,
    )
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(NARROWEST, NARROWEST), down_block_types=("DownEncoderBlock2D",) * 2, latent_channels=4
    )
    scheduler = EulerDiscreteScheduler(
        **BETAS,
        prediction_type="v_prediction",
        sigma_min=0.002,
        sigma_max=700.0,
        steps_offset=1,
        timestep_spacing="leading",
        timestep_type="continuous",
        use_karras_sigmas=True,
    )
    StableVideoDiffusionPipeline(
        unet=denoiser,
        vae=vae,
        scheduler=scheduler,
        image_encoder=_vision(CLIPVisionModelWithProjection),
        feature_extractor=CLIPImageProcessor(),
    ).save_pretrained(folder)


def _wan(inputs: int, **more: object) -> dict[str, object]:
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=inputs,
        out_channels=16,
        text_dim=32,
        freq_dim=32,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=64,
        **more,
    )
    vae = AutoencoderKLWan(
        base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    return {
        "transformer": widened(transformer, 2.0),
        "vae": widened(vae, 2.0),
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, num_train_timesteps=1000
        ),
        "text_encoder": UMT5EncoderModel(UMT5Config(**t5_sizes())).eval(),
        "tokenizer": t5_tokenizer(),
    }


def wan(folder: Path) -> None:
    WanPipeline(**_wan(16)).save_pretrained(folder)


def wan_both(folder: Path) -> None:
    """Like the small model of 2.2: a given picture is the first frame of the latents, and has no noise."""
    WanPipeline(**_wan(16), expand_timesteps=True).save_pretrained(folder)


def wan_two_stages(folder: Path) -> None:
    """Like the large model of 2.2: another network takes over where a tenth of the noise is gone."""
    second = _wan(16)["transformer"]
    WanPipeline(**_wan(16), transformer_2=second, boundary_ratio=0.9).save_pretrained(folder)


def wan_image(folder: Path) -> None:
    """Latents, those of the picture, and four channels that say which frames are given."""
    parts = _wan(16 + 16 + 4, image_dim=32)
    encoder = _vision(CLIPVisionModel)
    WanImageToVideoPipeline(**parts, image_encoder=encoder, image_processor=CLIPImageProcessor()).save_pretrained(
        folder
    )


def _ltx(scheduler: FlowMatchEulerDiscreteScheduler) -> dict[str, object]:
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=32,
    )
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
    )
    return {
        "transformer": widened(transformer, 2.0),
        "vae": vae,
        "scheduler": scheduler,
        "text_encoder": t5_encoder(),
        "tokenizer": t5_tokenizer(),
    }


def ltx(folder: Path) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, max_shift=2.05, base_shift=0.95)
    LTXPipeline(**_ltx(scheduler)).save_pretrained(folder)


def ltx_condition(folder: Path) -> None:
    """As of 0.9.5: the pipeline makes the timesteps itself, and the scheduler shifts none of them."""
    LTXConditionPipeline(**_ltx(FlowMatchEulerDiscreteScheduler())).save_pretrained(folder)


def _cogvideox(inputs: int, **more: object) -> dict[str, object]:
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=inputs,
        out_channels=4,
        time_embed_dim=8,
        text_embed_dim=32,
        num_layers=1,
        sample_width=8,
        sample_height=8,
        sample_frames=9,
        **more,
    )
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8), latent_channels=4, layers_per_block=1, norm_num_groups=2
    )
    return {
        "transformer": widened(transformer, 2.0),
        "vae": vae,
        "scheduler": CogVideoXDDIMScheduler(snr_shift_scale=3.0, prediction_type="v_prediction"),
        "text_encoder": t5_encoder(),
        "tokenizer": t5_tokenizer(),
    }


def cogvideox(folder: Path) -> None:
    CogVideoXPipeline(**_cogvideox(4)).save_pretrained(folder)


def cogvideox_image(folder: Path) -> None:
    """Latents, and those of the picture; with learned positions, and so of one size."""
    places = {"use_rotary_positional_embeddings": True, "use_learned_positional_embeddings": True}
    CogVideoXImageToVideoPipeline(**_cogvideox(8, **places)).save_pretrained(folder)


def animatediff(folder: Path) -> None:
    """As people put it together: the base model's folder, and the adapter in it."""
    StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=clip_text(hidden=8, heads=2),
        tokenizer=clip_tokenizer(),
        unet=unet(),
        scheduler=ddim(),
        **dict.fromkeys(("safety_checker", "feature_extractor")),
        requires_safety_checker=False,
    ).save_pretrained(folder)
    adapter = MotionAdapter(
        block_out_channels=(4, 8), motion_layers_per_block=1, motion_norm_num_groups=2, motion_num_attention_heads=2
    )
    adapter.save_pretrained(folder / "motion_adapter")
    index = folder / "model_index.json"
    parts = json.loads(index.read_text(encoding="utf-8"))
    parts |= {"_class_name": "AnimateDiffPipeline", "motion_adapter": ["diffusers", "MotionAdapter"]}
    index.write_text(json.dumps(parts), encoding="utf-8")


BUILDERS: Mapping[str, Callable[[Path], None]] = {
    "svd": svd,
    "wan": wan,
    "wan-both": wan_both,
    "wan-two-stages": wan_two_stages,
    "wan-image": wan_image,
    "ltx": ltx,
    "ltx-condition": ltx_condition,
    "cogvideox": cogvideox,
    "cogvideox-image": cogvideox_image,
    "animatediff": animatediff,
}
