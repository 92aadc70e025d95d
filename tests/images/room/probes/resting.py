"""What sleep gives back to the machine of memory that was freed inside a heap still in use: bytes."""

import resource
from pathlib import Path

import torch

from images.diffusers.server import sleep

BLOCKS, NUMBERS = 8000, 8192


def facts(model: Path, scratch: Path) -> dict[str, object]:
    before = _resident()
    blocks = [torch.ones(NUMBERS) for _ in range(BLOCKS)]
    above = torch.ones(NUMBERS)
    del blocks
    freed = _resident()
    sleep.empty_caches(sleep.HOST)
    return {
        "taken": BLOCKS * NUMBERS * above.element_size(),
        "held when freed": freed - before,
        "held asleep": _resident() - before,
    }


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
