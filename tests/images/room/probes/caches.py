"""Step caches, attention backends and tiling on a transformer: what they change, and what a stop leaves behind."""

from pathlib import Path

from images.diffusers.server.loading import StartError
from images.diffusers.server.speed import CACHES
from tests.images.room.probes import hand

STEPS = 12
_REFUSED = (("--cache", "none"), ("--attention", "none"), ("--attention", "flash_hub"))


def facts(model: Path, scratch: Path) -> dict[str, object]:
    task = hand.task(steps=STEPS)
    plain = hand.draw(hand.ready(model), task)[0]
    native = hand.draw(hand.ready(model, "--attention", "native"), task)[0]
    tiled = hand.draw(hand.ready(model, "--vae-tiling"), task)[0]
    return {
        "caches": {name: _cached(model, name, plain) for name in CACHES},
        "native attention": hand.apart(plain, native),
        "tiled": tiled.shape,
        "refused": [_refusal(model, *flag) for flag in _REFUSED],
    }


def _cached(model: Path, name: str, plain: hand.Pixels) -> dict[str, object]:
    studio = hand.ready(model, "--cache", name)
    task = hand.task(steps=STEPS)
    first = hand.draw(studio, task)[0]
    stops = [len(hand.listen(studio, hand.task(9, steps=STEPS), stop_at=step).made()) for step in (1, 5)]
    return {
        "changes": hand.apart(plain, first),
        "made when stopped": stops,
        "after a stop": hand.apart(first, hand.draw(studio, task)[0]),
        "after another": hand.apart(first, hand.draw(studio, task)[0]),
        "most": studio.most(task),
    }


def _refusal(model: Path, *flag: str) -> str:
    try:
        hand.ready(model, *flag)
    except StartError as error:
        return str(error)
    return ""
