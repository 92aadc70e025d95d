"""IP-Adapters: a picture beside the prompt. On for one batch; the UNet is then as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from images.diffusers.server import failures
from images.diffusers.server.adapters import Shelf, version
from images.diffusers.server.foreign import Pipeline
from images.diffusers.server.tasks import Control

ENCODER = "image_encoder"
PARTS = ("image_proj", "ip_adapter")


class IpAdapters:
    """The last one used stays in memory: its picture encoder is often larger than the rest."""

    def __init__(self, shelf: Shelf, dtype: torch.dtype, device: torch.device) -> None:
        self._shelf = shelf
        self._dtype = dtype
        self._device = device
        self._kept: tuple[object, dict[str, object], dict[str, Any]] | None = None

    def clear(self) -> None:
        self._kept = None

    def components(self, name: str) -> dict[str, object]:
        """What a pipeline needs to read the picture. Raises ApiError 400 where it is missing or none."""
        return self._load(name)[0]

    @contextmanager
    def on(self, pipeline: Pipeline, control: Control) -> Iterator[dict[str, object]]:
        """Within, the pipeline follows the picture; gives the arguments that it is called with."""
        unet = pipeline.unet
        processors, projection = unet.attn_processors, unet.encoder_hid_proj
        kind = unet.config.encoder_hid_dim_type
        try:
            self._put_on(pipeline, control)
            yield {"ip_adapter_image": control.image}
        finally:
            unet.encoder_hid_proj = projection
            unet.config.encoder_hid_dim_type = kind
            unet.set_attn_processor(processors)

    def _put_on(self, pipeline: Pipeline, control: Control) -> None:
        state = self._load(control.name)[1]
        try:
            pipeline.load_ip_adapter(state, subfolder="", weight_name="", image_encoder_folder=None)
        except (ValueError, KeyError, RuntimeError) as error:
            if failures.is_out_of_memory(error):
                raise
            raise self._misfit(control.name) from error
        pipeline.set_ip_adapter_scale(control.scale)

    def _load(self, name: str) -> tuple[dict[str, object], dict[str, Any]]:
        path = self._shelf.find(name)
        file = self._shelf.weights(path)
        key = version(file)
        if self._kept is None or self._kept[0] != key:
            self._kept = None
            self._kept = (key, self._encoder(file.parent / ENCODER, name), self._state(file, name))
        return self._kept[1], self._kept[2]

    def _encoder(self, folder: Path, name: str) -> dict[str, object]:
        try:
            encoder = CLIPVisionModelWithProjection.from_pretrained(
                str(folder), dtype=self._dtype, use_safetensors=True, local_files_only=True
            )
        except (OSError, ValueError) as error:
            message = f"The IP-Adapter {name!r} has no folder {ENCODER} with safetensors beside its weights."
            raise self._shelf.refused("bad_adapter", message) from error
        size = encoder.config.image_size
        extractor = CLIPImageProcessor(size=size, crop_size=size)
        return {"image_encoder": encoder.to(self._device).eval(), "feature_extractor": extractor}

    def _state(self, file: Path, name: str) -> dict[str, Any]:
        try:
            tensors = load_file(file)
        except SafetensorError as error:
            raise self._misfit(name) from error
        state: dict[str, Any] = {part: {} for part in PARTS}
        for key, tensor in tensors.items():
            part, _, rest = key.partition(".")
            if part in PARTS:
                state[part][rest] = tensor
        if not all(state.values()):
            raise self._misfit(name)
        return state

    def _misfit(self, name: str) -> Exception:
        return self._shelf.refused("bad_adapter", f"The IP-Adapter {name!r} does not fit this model.")
