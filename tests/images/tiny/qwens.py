"""Tiny models that read their prompts with a Qwen: Z-Image, FLUX.2 klein, Qwen-Image and its edits."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer, Qwen2VLImageProcessorPil

from tests.images.tiny.flows import autoencoder_of_eight
from tests.images.tiny.texts import qwen3, qwen3_with_head, qwen_tokenizer, widened


def _z_image(folder: Path, shift: float) -> None:
    transformer = ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=4,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[1024, 64, 64],
    )
    # These two are left as whatever the memory held.
    for pad in (transformer.x_pad_token, transformer.cap_pad_token):
        torch.nn.init.normal_(pad)
    ZImagePipeline(
        transformer=widened(transformer, 2.0),
        vae=autoencoder_of_eight(4),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
        text_encoder=qwen3(),
        tokenizer=qwen_tokenizer(),
    ).save_pretrained(folder)


def z_image(folder: Path) -> None:
    _z_image(folder, shift=6.0)


def z_image_turbo(folder: Path) -> None:
    _z_image(folder, shift=3.0)


def _klein(folder: Path, distilled: bool) -> None:
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        # Latents of two channels, packed in squares of two.
        in_channels=8,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        # Three layers of the text encoder side by side: 9, 18 and 27.
        joint_attention_dim=3 * 16,
        timestep_guidance_channels=256,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    vae = AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, latent_channels=2, norm_num_groups=2, sample_size=64
    )
    torch.nn.init.uniform_(vae.bn.running_var, 0.5, 2.0)
    torch.nn.init.normal_(vae.bn.running_mean)
    Flux2KleinPipeline(
        transformer=widened(transformer, 3.0),
        vae=widened(vae, 3.0),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        text_encoder=qwen3_with_head(layers=28),
        tokenizer=qwen_tokenizer(),
        is_distilled=distilled,
    ).save_pretrained(folder)


def flux2_klein(folder: Path) -> None:
    _klein(folder, distilled=True)


def flux2_klein_base(folder: Path) -> None:
    _klein(folder, distilled=False)


def _reader(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLForConditionalGeneration:
    """Text and pictures to states of sixteen channels."""
    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<|{mark}|>")
        for name, mark in {
            "vision_start": "vision_start",
            "vision_end": "vision_end",
            "vision": "vision_pad",
            "image": "image_pad",
            "video": "video_pad",
        }.items()
    }
    text = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": len(tokenizer),
        "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
        "initializer_range": 0.2,
    }
    sight = {"depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=sight, **ids)).eval()


def _qwen_parts(tokenizer: Qwen2Tokenizer) -> dict[str, object]:
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    # A sixteenth of the size, twice as small as the real one: the edits bring every picture to a megapixel.
    vae = AutoencoderKLQwenImage(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1, 1],
        num_res_blocks=0,
        temperal_downsample=[False, True, True, False],
        latents_mean=[0.1, -0.1, 0.2, -0.2],
        latents_std=[1.0, 1.5, 0.5, 2.0],
    )
    return {
        "transformer": widened(transformer, 2.0),
        "vae": widened(vae, 3.0),
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        "text_encoder": _reader(tokenizer),
        "tokenizer": tokenizer,
    }


def qwen_image(folder: Path) -> None:
    QwenImagePipeline(**_qwen_parts(qwen_tokenizer())).save_pretrained(folder)


def _qwen_edit(folder: Path, name: str) -> None:
    """The same with a processor for pictures. That cannot be built without torchvision, so its files are written."""
    qwen_image(folder)
    processor = folder / "processor"
    qwen_tokenizer().save_pretrained(processor)
    Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=112 * 112).save_pretrained(processor)
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"_class_name": name, "processor": ["transformers", "Qwen2VLProcessor"]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))


def qwen_image_edit(folder: Path) -> None:
    _qwen_edit(folder, "QwenImageEditPipeline")


def qwen_image_edit_plus(folder: Path) -> None:
    _qwen_edit(folder, "QwenImageEditPlusPipeline")


BUILDERS: Mapping[str, Callable[[Path], None]] = {
    "z-image": z_image,
    "z-image-turbo": z_image_turbo,
    "flux2-klein": flux2_klein,
    "flux2-klein-base": flux2_klein_base,
    "qwen-image": qwen_image,
    "qwen-image-edit": qwen_image_edit,
    "qwen-image-edit-plus": qwen_image_edit_plus,
}
