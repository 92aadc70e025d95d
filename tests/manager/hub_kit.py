"""A hub on loopback, and the manager's two sides of it: what fetches, and what is given to engines."""

import json
from pathlib import Path

import pytest

from contract.catalogue import ModelEntry
from manager.settings import ManagerSettings, fetch_environment
from manager.specification import Inside
from manager.weights.hub import Hub
from manager.weights.store import WeightsStore
from tests.fakes.hub import REPOSITORY, FakeHub

FILES = {
    "model.safetensors": bytes(range(256)) * 4096,
    "config.json": b"{}",
    "pytorch_model.bin": b"a pickle",
    "modeling_tiny.py": b"print('code')",
}
PIPELINE = {
    "model_index.json": json.dumps(
        {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": [None, None]}
    ).encode(),
    "whole.safetensors": b"the same again",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": b"weights",
    "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
    "unet/diffusion_pytorch_model.bin": b"a pickle",
    "vae/diffusion_pytorch_model.safetensors": b"not named",
}


def hub_in(
    folder: Path,
    served: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    *,
    offline: bool = False,
    token: str | None = "hf_canary",
) -> Hub:
    monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
    monkeypatch.setenv("HF_TOKEN", token or "")
    return Hub(folder / "hub", folder / "manifests", fetch_environment(ManagerSettings()), offline=offline)


def store_in(folder: Path) -> WeightsStore:
    return WeightsStore(folder / "models", folder / "hub", Inside("/models", "/hub", "/cache"), folder / "manifests")


def entry(kind: str = "text", **fields: object) -> ModelEntry:
    return ModelEntry.model_validate({"type": kind, "source": REPOSITORY, **fields})


def quiet(done: int, total: int) -> None:
    """Of no interest here."""


async def fetch(hub: Hub, repository: str = REPOSITORY, *, half: bool = False) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    await hub.fetch(repository, "main", lambda here, total: told.append((here, total)), half=half)
    return told
