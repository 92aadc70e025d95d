"""What makes steps cheaper: memory formats, attention backends, compiled blocks, step caches, tiled VAEs.

Everything that a model's entry asks for is done or refused with the reason; nothing is left out in silence.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from diffusers import (
    AutoencoderKL,
    FirstBlockCacheConfig,
    TaylorSeerCacheConfig,
    UNet2DConditionModel,
)
from diffusers.models.cache_utils import CacheMixin

from images.diffusers.server.foreign import Network, Pipeline
from images.diffusers.server.loading import StartError
from images.diffusers.server.progress import denoisers
from images.diffusers.server.settings import Settings

CACHES: Mapping[str, Callable[[], object]] = MappingProxyType(
    {"first_block": lambda: FirstBlockCacheConfig(threshold=0.05), "taylorseer": TaylorSeerCacheConfig}
)
# Caches that look at a whole batch to decide: in one, a picture would not be what it is alone.
JUDGE_THE_BATCH = frozenset({"first_block"})


def prepare(pipeline: Pipeline, settings: Settings) -> None:
    """Once after loading, on the device. Raises StartError for what the model cannot have."""
    if settings.device != "cpu":
        _channels_last(pipeline)
    if settings.attention:
        _attention(pipeline, settings.attention)
    if settings.cache:
        _cache(pipeline, settings.cache)
    if settings.vae_tiling:
        _tiling(pipeline)
    if settings.compile:
        _compile(pipeline)


def batch_size(settings: Settings) -> int:
    """How many pictures may be denoised at once."""
    return 1 if settings.cache in JUDGE_THE_BATCH else settings.max_batch_size


def _channels_last(pipeline: Pipeline) -> None:
    """Convolutions of two dimensions are faster so; those of clips have three, and stay as they are."""
    for part in pipeline.components.values():
        if isinstance(part, UNet2DConditionModel | AutoencoderKL):
            part.to(memory_format=torch.channels_last)


def _attention(pipeline: Pipeline, name: str) -> None:
    if name.endswith("_hub"):
        raise StartError(
            f"--attention {name}: its kernels are code that is downloaded at run time, which is never done"
        )
    for denoiser in _networks(pipeline):
        try:
            denoiser.set_attention_backend(name)
        except (ValueError, RuntimeError, ImportError) as error:
            raise StartError(f"--attention {name}: {error}") from error


def _cache(pipeline: Pipeline, name: str) -> None:
    if name not in CACHES:
        raise StartError(f"--cache {name}: there are {', '.join(CACHES)}")
    networks = [network for network in _networks(pipeline) if isinstance(network, CacheMixin)]
    if not networks:
        raise StartError(f"--cache {name}: {type(pipeline).__name__} has no network that takes a step cache")
    for network in networks:
        network.enable_cache(CACHES[name]())


def _tiling(pipeline: Pipeline) -> None:
    vae = pipeline.components.get("vae")
    if not hasattr(vae, "enable_tiling"):
        raise StartError(f"--vae-tiling: {type(vae).__name__} cannot decode in tiles")
    vae.enable_tiling()


def _compile(pipeline: Pipeline) -> None:
    for network in _networks(pipeline):
        if getattr(network, "_repeated_blocks", None):
            network.compile_repeated_blocks()


def _networks(pipeline: Pipeline) -> list[Network]:
    return list(denoisers(pipeline))
