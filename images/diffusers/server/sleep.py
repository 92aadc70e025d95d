"""What sleeping frees, by level and by device.

Level 1 on a GPU moves the weights to host memory and empties the device's cache; on the CPU the weights are already
there, and only caches go. Level 2 drops the weights: waking reads them from disk again.
"""

import ctypes
import gc
from collections.abc import Callable

import torch

from images.diffusers.server.foreign import Pipeline

LEVELS = (1, 2)
HOST = torch.device("cpu")
# glibc keeps freed memory for itself until it is told to give it back; other C libraries have no such call.
_trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)


def move(pipeline: Pipeline, device: torch.device) -> None:
    """The weights, all of them and in their own dtypes, to `device`."""
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.to(device)


def empty_caches(device: torch.device) -> None:
    """Gives back what the process holds and does not use."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if _trim is not None:
        _trim(0)


def synchronise(device: torch.device) -> None:
    """Waits for the device, so that seconds are true."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
