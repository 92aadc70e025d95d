"""What sleeping frees, by level and by device.

Level 1 on a GPU moves the weights to host memory and empties the device's cache; on the CPU the weights are already
there, and only caches go. Level 2 drops the weights: waking reads them from disk again.
"""

import gc

import torch

from images.diffusers.server.foreign import Pipeline

LEVELS = (1, 2)
HOST = torch.device("cpu")


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


def synchronise(device: torch.device) -> None:
    """Waits for the device, so that seconds are true."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
