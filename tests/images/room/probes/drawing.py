"""Batches, stops, previews, schedulers, sleep and failures of one model: facts about tiny SD 1.5."""

import gc
from collections.abc import Sequence
from pathlib import Path

import torch

from contract.errors import ApiError
from images.diffusers.server import failures
from images.diffusers.server.derived import Pipelines
from images.diffusers.server.families.family import Batch, Steps
from images.diffusers.server.studio import Studio
from images.diffusers.server.tasks import Task, Work
from tests.images.room.probes import hand


def facts(model: Path, scratch: Path) -> dict[str, object]:
    studio = hand.ready(model)
    return {
        "batch": [_batch_against_singles(studio, tasks) for tasks in _batches()],
        "seeds differ": hand.apart(*hand.draw(studio, hand.task(1), hand.task(2))),
        "stops": {how.name: _stop(studio, how) for how in Steps},
        "previews": _previews(studio),
        "schedulers": _schedulers(studio),
        "embeddings": _embeddings(studio),
        "derived": _derived(studio),
        "sleep": _sleep(studio),
        "faults": _faults(studio),
    }


def _batches() -> list[tuple[Task, ...]]:
    shown = {"images": (hand.picture(),), "strength": 0.7}
    plain = tuple(hand.task(seed, prompt=f"picture {seed}") for seed in range(4))
    edits = tuple(hand.task(seed, Work.EDIT, **shown) for seed in range(3))
    masked = tuple(hand.task(seed, Work.INPAINT, mask=hand.mask(), **shown) for seed in range(2))
    noisy = tuple(hand.task(seed, scheduler="euler_a") for seed in range(2))
    return [plain, edits, masked, noisy]


def _batch_against_singles(studio: Studio, tasks: Sequence[Task]) -> int:
    together = hand.draw(studio, *tasks)
    return max(hand.apart(one, hand.draw(studio, task)[0]) for one, task in zip(together, tasks, strict=True))


def _stop(studio: Studio, how: Steps) -> dict[str, object]:
    usual = studio.model.recipes[Work.GENERATE].steps
    hand.with_recipe(studio, Work.GENERATE, steps=how)
    before = hand.listen(studio, hand.task())
    stopped = hand.listen(studio, hand.task(), stop_at=2)
    after = hand.listen(studio, hand.task())
    hand.with_recipe(studio, Work.GENERATE, steps=usual)
    return {
        "steps": before.steps(),
        "steps before the stop": stopped.steps(),
        "made when stopped": len(stopped.made()),
        "next apart": hand.apart(*(hand.pixels(ear.made()[0].frames[0]) for ear in (before, after))),
        "hooks left": sum(len(part._forward_pre_hooks) for part in _networks(studio)),
    }


def _networks(studio: Studio) -> list[torch.nn.Module]:
    return [part for part in studio.pipelines.base.components.values() if isinstance(part, torch.nn.Module)]


def _previews(studio: Studio) -> dict[str, object]:
    """How far the previews are from the picture, against how far the noisy latents themselves would be."""
    task = hand.task(steps=20)
    plain = hand.draw(studio, task)[0]
    ear = hand.listen(studio, task, hand.task(2, steps=20), previews=3)
    first = [preview for preview in ear.shown() if preview.index == 0]
    far = {name: _nearing(studio, name) for name in ("ddim", "dpmpp_2m", "euler", "unipc", "pndm", "heun", "deis")}
    return {
        "ordinals": [(preview.index, preview.ordinal) for preview in ear.shown()],
        "picture unchanged": hand.apart(plain, hand.pixels(ear.made()[0].frames[0])),
        "size": first[0].image.size,
        "nearing": far,
        "noisy": _noisy(studio, task),
        "too many": len(hand.listen(studio, hand.task(steps=2), previews=3).shown()),
    }


def _nearing(studio: Studio, scheduler: str) -> list[float]:
    """Mean distance of each preview from the picture, first to last."""
    ear = hand.listen(studio, hand.task(steps=20, scheduler=scheduler), previews=3)
    made = hand.pixels(ear.made()[0].frames[0])
    return [float(abs(hand.pixels(preview.image) - made).mean()) for preview in ear.shown()]


def _noisy(studio: Studio, task: Task) -> float:
    """How far the latents of the first preview's step, decoded as they are, would be from the picture."""
    decode = studio.model.family.decode
    assert decode is not None
    made = hand.pixels(hand.listen(studio, task).made()[0].frames[0])
    seen: list[float] = []

    def look(pipeline: object, step: int, timestep: object, tensors: dict[str, torch.Tensor]) -> dict[str, object]:
        if step + 1 == task.steps // 4:
            image = decode(studio.pipelines.base, tensors["latents"], task)[0]
            seen.append(float(abs(hand.pixels(image) - made).mean()))
        return {}

    batch = Batch((task,), (torch.Generator().manual_seed(task.seed),))
    studio.pipelines.of("StableDiffusionPipeline")(
        **studio.model.recipes[Work.GENERATE].arguments(batch), callback_on_step_end=look
    )
    return seen[0]


def _schedulers(studio: Studio) -> dict[str, object]:
    plain = hand.listen(studio, hand.task())
    named = {name: hand.listen(studio, hand.task(scheduler=name)).made()[0] for name in studio.model.schedulers}
    after = hand.listen(studio, hand.task())
    try:
        studio.check(hand.task(scheduler="flow_euler"))
        refusal = ""
    except ApiError as error:
        refusal = f"{error.status} {error.param} {error.message}"
    return {
        "names": {name: made.scheduler for name, made in named.items()},
        "different pictures": len({made.frames[0].tobytes() for made in named.values()}),
        "own before and after": [ear.made()[0].scheduler for ear in (plain, after)],
        "plain after": hand.apart(*(hand.pixels(ear.made()[0].frames[0]) for ear in (plain, after))),
        "refusal": refusal,
    }


def _embeddings(studio: Studio) -> dict[str, object]:
    counters = studio.counters
    task = hand.task(prompt="a prompt that nobody asked for yet")
    first = hand.listen(studio, task).made()[0].frames[0].tobytes()
    hits, misses = counters.embeddings_hit_total, counters.embeddings_missed_total
    second = hand.listen(studio, task).made()[0].frames[0].tobytes()
    return {
        "same bytes": first == second,
        "hits": counters.embeddings_hit_total - hits,
        "misses": counters.embeddings_missed_total - misses,
    }


def _derived(studio: Studio) -> dict[str, object]:
    base = studio.pipelines.base
    pipelines = Pipelines(base)
    edit = pipelines.of("StableDiffusionImg2ImgPipeline")
    shared = [name for name, part in base.components.items() if part is not None and name != "scheduler"]
    return {
        "shared": {name: getattr(edit, name) is getattr(base, name) for name in shared},
        "own scheduler": edit.scheduler is not base.scheduler,
        "kept": pipelines.of("StableDiffusionImg2ImgPipeline") is edit,
        "dtypes": _dtypes(studio),
    }


def _dtypes(studio: Studio) -> list[str]:
    """Deriving from a model in two dtypes changes neither."""
    base = studio.pipelines.base
    base.unet.to(torch.bfloat16)
    edit = Pipelines(base).of("StableDiffusionInpaintPipeline")
    found = [str(base.unet.dtype), str(edit.unet.dtype), str(base.vae.dtype)]
    base.unet.to(torch.float32)
    studio.load()
    return found


def _sleep(studio: Studio) -> dict[str, object]:
    before = hand.draw(studio, hand.task())[0]
    studio.sleep(1)
    studio.wake(1)
    lightly = hand.apart(before, hand.draw(studio, hand.task())[0])
    studio.sleep(1)
    studio.sleep(2)
    gc.collect()
    left = sum(isinstance(thing, torch.nn.Conv2d) for thing in gc.get_objects())
    studio.wake(2)
    return {"level 1": lightly, "level 2": hand.apart(before, hand.draw(studio, hand.task())[0]), "weights left": left}


def _faults(studio: Studio) -> dict[str, object]:
    before = hand.draw(studio, hand.task())[0]
    short = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    host = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
    told = [_told(studio, error) for error in (short, host, ZeroDivisionError("/a/secret/path"))]
    return {"told": told, "next apart": hand.apart(before, hand.draw(studio, hand.task())[0])}


def _told(studio: Studio, error: Exception) -> list[object]:
    usual = studio.model.recipes[Work.GENERATE].arguments

    def failing(batch: Batch) -> dict[str, object]:
        raise error

    hand.with_recipe(studio, Work.GENERATE, arguments=failing)
    try:
        hand.listen(studio, hand.task())
    except Exception as fault:  # noqa: BLE001 - any of them is what is asked for
        told = failures.as_api_error(fault, "the pipeline", [hand.task()])
    hand.with_recipe(studio, Work.GENERATE, arguments=usual)
    return [told.status, told.code, told.message, told.headers]
