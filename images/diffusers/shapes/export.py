"""Write a model as a diffusers folder: float16 safetensors, replaced as a whole."""

import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, StableDiffusionPipeline, StableVideoDiffusionPipeline
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from images.diffusers.shapes.motion import Mover, build_motion_scheduler
from images.diffusers.shapes.temporal import widen_autoencoder
from images.diffusers.shapes.unet import Painter


def painting_pipeline(painter: Painter, autoencoder: AutoencoderKL) -> StableDiffusionPipeline:
    """The parts as Stable Diffusion's pipeline, without a safety checker: it draws eight colours and four shapes."""
    return StableDiffusionPipeline(
        unet=painter.unet,
        vae=autoencoder,
        text_encoder=painter.text_encoder,
        tokenizer=painter.tokenizer,
        scheduler=painter.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def moving_pipeline(
    mover: Mover, vision: CLIPVisionModelWithProjection, autoencoder: AutoencoderKL
) -> StableVideoDiffusionPipeline:
    """The parts as Stable Video Diffusion's pipeline."""
    return StableVideoDiffusionPipeline(
        unet=mover.unet,
        vae=widen_autoencoder(autoencoder),
        image_encoder=vision,
        scheduler=build_motion_scheduler(),
        feature_extractor=CLIPImageProcessor(),
    )


def save_whole(pipeline: DiffusionPipeline, folder: Path) -> None:
    """Save in half precision beside `folder`, then move into its place, keeping the model card.

    The pipeline is left in half precision.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    pipeline.to(torch.float16).save_pretrained(partial, safe_serialization=True)
    for file in partial.rglob("*.safetensors"):
        file.chmod(0o644)  # a container reads them as another user
    card = folder / "README.md"
    if card.exists():
        shutil.copy(card, partial / "README.md")
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
