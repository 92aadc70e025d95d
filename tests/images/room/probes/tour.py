"""Whether a model of any family keeps the worker's promises, for every work it does: facts."""

from dataclasses import replace
from pathlib import Path

from images.diffusers.server import rehearsal
from images.diffusers.server.studio import Studio
from images.diffusers.server.tasks import Parameter, Task, Work
from tests.images.room.probes import hand

STEPS = 4


def facts(model: Path, scratch: Path) -> dict[str, object]:
    studio = hand.ready(model)
    return {work.value: _work(studio, work) for work in studio.model.recipes} | {"sleep": _sleep(studio)}


def _task(studio: Studio, work: Work, seed: int = 1, **changes: object) -> Task:
    alone = replace(studio.model, recipes={work: studio.model.recipes[work]})
    plain = replace(rehearsal.task(alone), steps=STEPS, seed=seed, prompt=f"a red circle {seed}")
    return replace(plain, **changes)  # type: ignore[arg-type]  # the names are checked by `replace` itself


def _work(studio: Studio, work: Work) -> dict[str, object]:
    recipe = studio.model.recipes[work]
    before = hand.listen(studio, _task(studio, work), previews=1)
    stopped = hand.listen(studio, _task(studio, work), stop_at=1)
    after = hand.listen(studio, _task(studio, work))
    first = hand.pixels(before.made()[0].frames[0])
    found: dict[str, object] = {
        "frames": [len(before.made()[0].frames), *first.shape],
        "steps": [step for _, step, _ in before.steps()],
        "of": sorted({steps for _, _, steps in before.steps()}),
        "previews": len(before.shown()),
        "stopped": [step for _, step, _ in stopped.steps()],
        "made when stopped": len(stopped.made()),
        "next apart": hand.apart(first, hand.pixels(after.made()[0].frames[0])),
        "seeds apart": hand.apart(first, hand.draw(studio, _task(studio, work, 2))[0]),
    }
    if recipe.batches:
        found["batch apart"] = _batch(studio, work)
    if Parameter.SCHEDULER in recipe.honours:
        found["schedulers"] = [_scheduler(studio, work, name) for name in studio.model.schedulers[-2:]]
    return found


def _batch(studio: Studio, work: Work) -> int:
    tasks = [_task(studio, work, seed) for seed in range(3)]
    singles = [hand.draw(studio, task)[0] for task in tasks]
    return max(hand.apart(one, other) for one, other in zip(hand.draw(studio, *tasks), singles, strict=True))


def _scheduler(studio: Studio, work: Work, name: str) -> str:
    return hand.listen(studio, _task(studio, work, scheduler=name)).made()[0].scheduler


def _sleep(studio: Studio) -> int:
    work = next(iter(studio.model.recipes))
    before = hand.draw(studio, _task(studio, work))[0]
    studio.sleep(2)
    studio.wake(2)
    return hand.apart(before, hand.draw(studio, _task(studio, work))[0])
