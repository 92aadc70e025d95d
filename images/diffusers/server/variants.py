"""Which form of its weights a pipeline is loaded in, by the names of its files alone.

The manager fetches and verifies by the same rule (`manager/weights/pipelines.py`): what is loaded is what was verified.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

PLAIN = re.compile(r"(diffusion_pytorch_model|model)(-\d{5}-of-\d{5})?\.safetensors")
HALF = re.compile(r"(diffusion_pytorch_model|model)(\.fp16(-\d{5}-of-\d{5})?|-\d{5}-of-\d{5}\.fp16)\.safetensors")


def variant_of(path: Path, index: Mapping[str, object], *, half: bool) -> str | None:
    """`fp16` where all components with weights have them so, and they are wanted or all there is; else None.

    `half`: the model is computed in float16, to which plain weights would be rounded after they were read.
    """
    folders = [path / name for name, value in index.items() if isinstance(value, list)]
    files = [[file.name for file in folder.glob("*.safetensors")] for folder in folders]
    having = [names for names in files if names]
    if not having or not all(_any(HALF, names) for names in having):
        return None
    return "fp16" if half or not all(_any(PLAIN, names) for names in having) else None


def _any(pattern: re.Pattern[str], names: Iterable[str]) -> bool:
    return any(pattern.fullmatch(name) for name in names)
