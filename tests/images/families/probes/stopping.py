"""Where a job ends that is called off at its first step, and whether the next is what it would have been."""

import json
import logging
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from images.diffusers.server import rehearsal
from images.diffusers.server.studio import Studio
from images.diffusers.server.tasks import Task
from tests.images.room.probes import hand
from tests.images.tiny.__main__ import builders

STEPS = 4


def _task(studio: Studio) -> Task:
    """The task that warms the model up, with a picture where the model takes one."""
    task = rehearsal.task(studio.model)
    most = studio.model.recipes[task.work].images[1]
    return replace(task, steps=STEPS, seed=1, images=(hand.picture(),) * min(most, 1))


def _facts(name: str, folder: Path) -> dict[str, object]:
    torch.manual_seed(0)
    builders()[name](folder / name)
    studio = hand.ready(folder / name, "--types", "video,edit")
    task = _task(studio)
    (before,) = hand.listen(studio, task).made()
    ear = hand.listen(studio, task, stop_at=1)
    (after,) = hand.listen(studio, task).made()
    same = all(one.tobytes() == other.tobytes() for one, other in zip(before.frames, after.frames, strict=True))
    steps = [step for _, step, _ in ear.steps() if step > 0]
    return {"steps": steps, "made": len(ear.made()), "the next is the same": same}


def main() -> None:
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({name: _facts(name, Path(folder)) for name in sys.argv[1:]}))


if __name__ == "__main__":
    main()
