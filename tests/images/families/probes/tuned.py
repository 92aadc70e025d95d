"""What the families make of each named tiny model's configuration: its defaults, and what is honoured."""

import json
import logging
import sys
import tempfile
from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging

from images.diffusers.server import loading
from tests.images.tiny.__main__ import builders


def _facts(name: str, folder: Path) -> dict[str, object]:
    torch.manual_seed(0)
    builders()[name](folder)
    source = loading.read_source(folder)
    pipeline = loading.load(source, torch.float32, safety_checker=False)
    every = source.family.recipes[source.pipeline]
    recipe = source.family.suit(pipeline, next(iter(every.values())))
    defaults = source.family.tune(pipeline, recipe.defaults)
    return {
        "works": sorted(every),
        "steps": defaults.steps,
        "guidance": defaults.guidance,
        "size": [defaults.width, defaults.height],
        "honours": sorted(recipe.honours),
    }


def main() -> None:
    logging.disable()
    diffusers_logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({name: _facts(name, Path(folder) / name) for name in sys.argv[1:]}))


if __name__ == "__main__":
    main()
