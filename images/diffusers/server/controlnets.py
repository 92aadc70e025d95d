"""ControlNets: a network beside the denoiser that follows a picture. Which class goes with which pipeline."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import diffusers
import torch

from images.diffusers.server import failures
from images.diffusers.server.adapters import Shelf, version
from images.diffusers.server.foreign import Network, Pipeline
from images.diffusers.server.tasks import Control

KEPT = 2
CONFIG = "config.json"


@dataclass(frozen=True)
class Controlled:
    """The pipeline that takes a ControlNet, the class of that, and the argument that the picture goes into."""

    pipeline: str
    network: str
    argument: str = "control_image"


def _of(stem: str, network: str, works: tuple[str, ...], *, image_first: bool) -> dict[str, Controlled]:
    """Where `image_first`, text to image takes the picture as `image`, since there is no other."""
    return {
        f"{stem}{work}Pipeline": Controlled(
            f"{stem}ControlNet{work}Pipeline", network, "image" if image_first and not work else "control_image"
        )
        for work in works
    }


EVERY = ("", "Img2Img", "Inpaint")
CONTROLLED: Mapping[str, Controlled] = MappingProxyType(
    {
        **_of("StableDiffusion", "ControlNetModel", EVERY, image_first=True),
        **_of("StableDiffusionXL", "ControlNetModel", EVERY, image_first=True),
        **_of("StableDiffusion3", "SD3ControlNetModel", ("",), image_first=False),
        **_of("Flux", "FluxControlNetModel", EVERY, image_first=False),
        **_of("QwenImage", "QwenImageControlNetModel", ("",), image_first=False),
    }
)


class ControlNets:
    """Loaded ControlNets on the device, at most `KEPT`."""

    def __init__(self, shelf: Shelf, dtype: torch.dtype, device: torch.device) -> None:
        self._shelf = shelf
        self._dtype = dtype
        self._device = device
        self._loaded: OrderedDict[tuple[object, ...], Network] = OrderedDict()

    def clear(self) -> None:
        self._loaded.clear()

    def pairing(self, pipeline: str) -> Controlled:
        """What takes the place of a pipeline class. Raises ApiError 400 where nothing does."""
        if pipeline not in CONTROLLED:
            raise self._shelf.refused("unsupported_parameter", "This model takes no ControlNet for this kind of work.")
        return CONTROLLED[pipeline]

    def load(self, name: str, pairing: Controlled, base: Pipeline) -> Network:
        """Raises ApiError 400 where the ControlNet was made for another kind of model."""
        path = self._shelf.find(name)
        config = _config(path)
        if config.get("_class_name") != pairing.network or not _fits(config, base):
            raise self._shelf.refused("bad_adapter", f"The ControlNet {name!r} does not fit this model.")
        key = (path.name, *version(path / CONFIG)[1:])
        if key not in self._loaded:
            self._loaded[key] = self._read(path, pairing, name)
        self._loaded.move_to_end(key)
        while len(self._loaded) > KEPT:
            self._loaded.popitem(last=False)
        return self._loaded[key]

    def _read(self, path: Path, pairing: Controlled, name: str) -> Network:
        kind = getattr(diffusers, pairing.network)
        try:
            network = kind.from_pretrained(str(path), dtype=self._dtype, use_safetensors=True, local_files_only=True)
        except (OSError, ValueError, RuntimeError) as error:
            if failures.is_out_of_memory(error):
                raise
            raise self._shelf.refused("bad_adapter", f"The ControlNet {name!r} cannot be loaded.") from error
        return network.to(self._device).eval()


def arguments(control: Control, pairing: Controlled) -> dict[str, object]:
    return {pairing.argument: control.image, "controlnet_conditioning_scale": control.scale}


def _config(path: Path) -> Mapping[str, object]:
    file = path / CONFIG
    read = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return read if isinstance(read, dict) else {}


def _fits(config: Mapping[str, object], base: Pipeline) -> bool:
    """Networks beside a UNet read the same text embeddings as it does."""
    unet = base.components.get("unet")
    return unet is None or config.get("cross_attention_dim") == unet.config.cross_attention_dim
