"""`python -m tests.images.room.probes PROBE MODEL SCRATCH`: facts about the torch side, as JSON on standard output."""

import importlib
import json
import sys
from pathlib import Path

import torch


def main(probe: str, model: str, scratch: str) -> None:
    torch.set_num_threads(1)
    module = importlib.import_module(f"tests.images.room.probes.{probe}")
    print(json.dumps(module.facts(Path(model), Path(scratch))))


main(*sys.argv[1:])
