"""The shapes autoencoder as Stable Video Diffusion's: the same function in wider tensors.

That architecture has 32 normalisation groups everywhere, so its channels come in multiples of 32. The trained channels
fill the first groups, group for group, and zeros the rest; its temporal layers add nothing.
"""

import re

import torch
from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder
from torch import Tensor

SVD_GROUPS = 32
SPATIAL = re.compile(r"^(decoder\.\w+(?:\.\d+)?\.resnets\.\d+)\.")


def build_wide(model: AutoencoderKL) -> AutoencoderKLTemporalDecoder:
    """All zeros, as many channels a group as `model` has."""
    widen = SVD_GROUPS // model.config.norm_num_groups
    channels = tuple(width * widen for width in model.config.block_out_channels)
    wide = AutoencoderKLTemporalDecoder(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        layers_per_block=model.config.layers_per_block,
        sample_size=model.config.sample_size,
        scaling_factor=model.config.scaling_factor,
        force_upcast=False,
    )
    for weight in wide.parameters():
        torch.nn.init.zeros_(weight)
    return wide


def put_corner(into: Tensor, values: Tensor) -> None:
    """Copy `values` to the low indices of `into`."""
    into[tuple(slice(size) for size in values.shape)] = values


def widen_autoencoder(model: AutoencoderKL) -> AutoencoderKLTemporalDecoder:
    """An `AutoencoderKLTemporalDecoder` that encodes and decodes every picture as `model` does."""
    wide = build_wide(model)
    weights = dict(wide.named_parameters())
    with torch.no_grad():
        for name, values in model.state_dict().items():
            if name.startswith(("post_quant_conv.", "decoder.mid_block.resnets.1.")):
                continue  # the identity, as `autoencoder.py` left them
            put_corner(weights[SPATIAL.sub(r"\1.spatial_res_block.", name)], values)
        wide.decoder.time_conv_out.weight[:, :, 1, 0, 0] = torch.eye(3)
    return wide.eval()
