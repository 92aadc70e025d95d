"""The worker's thread from an event loop: requests that meet, leave, fail and sleep. Facts about tiny SD 1.5."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import torch

from contract.errors import ApiError
from images.diffusers.server import settings
from images.diffusers.server.families.family import Batch
from images.diffusers.server.jobs import Job, Made, Step
from images.diffusers.server.loading import StartError
from images.diffusers.server.tasks import Task, Work
from images.diffusers.server.worker import Worker
from tests.images.room.probes import hand


class Gate:
    """Holds the worker's thread where a batch begins, until it is opened; notes how large each batch is."""

    def __init__(self, worker: Worker, fault: Callable[[Batch], Exception | None] = lambda batch: None) -> None:
        self.sizes: list[int] = []
        self._open = threading.Event()
        self._fault = fault
        self._usual = worker.studio.model.recipes[Work.GENERATE].arguments
        self._worker = worker
        hand.with_recipe(worker.studio, Work.GENERATE, arguments=self._arguments)

    def open(self) -> None:
        self._open.set()

    def remove(self) -> None:
        hand.with_recipe(self._worker.studio, Work.GENERATE, arguments=self._usual)

    def _arguments(self, batch: Batch) -> dict[str, object]:
        self._open.wait(60)
        self.sizes.append(len(batch.tasks))
        error = self._fault(batch)
        if error is not None:
            raise error
        return self._usual(batch)


def facts(model: Path, scratch: Path) -> dict[str, object]:
    return asyncio.run(_facts(model, scratch))


async def _facts(model: Path, scratch: Path) -> dict[str, object]:
    worker = Worker(settings.read(["--model", str(model)]))
    before = [repr(worker), _refusal(worker)]
    worker.start()
    await worker.started()
    found: dict[str, object] = {
        "before": before,
        "meeting": await _meeting(worker),
        "leaving": await _leaving(worker),
        "memory": await _memory(worker),
        "fault": await _fault(worker),
        "sleep": await _sleep(worker),
        "closing": await _closing(worker),
        "no model": await _no_model(scratch),
    }
    return found


async def _pictures(job: Job) -> list[hand.Pixels]:
    return [hand.pixels(event.frames[0]) async for event in job if isinstance(event, Made)]


async def _ended(job: Job) -> str:
    try:
        return f"{len(await _pictures(job))} made"
    except ApiError as error:
        return f"{error.status} {error.code}"


async def _meeting(worker: Worker) -> dict[str, object]:
    """Four requests at once, one of other steps; the first begins alone."""
    gate = Gate(worker)
    tasks = [hand.task(seed) for seed in range(3)] + [hand.task(3, steps=5)]
    first = worker.submit([hand.task(9)])
    while worker.waiting:
        await asyncio.sleep(0)
    jobs = [worker.submit([task]) for task in tasks]
    counted = [worker.running, worker.waiting]
    gate.open()
    made = [await _pictures(job) for job in [first, *jobs]]
    gate.remove()
    after = [worker.running, worker.waiting]
    alone = [(await _pictures(worker.submit([task])))[0] for task in tasks]
    return {
        "running and waiting": counted,
        "batches": gate.sizes,
        "apart from alone": [hand.apart(one[0], other) for one, other in zip(made[1:], alone, strict=True)],
        "running and waiting after": after,
    }


async def _leaving(worker: Worker) -> dict[str, object]:
    """Of two that share a batch one leaves: the other's picture comes. Both leave: the denoising ends."""
    before = await _pictures(worker.submit([hand.task()]))
    stayed = await _two(worker, leave=1)
    made = worker.counters.pictures_total
    left = await _two(worker, leave=2)
    after = await _pictures(worker.submit([hand.task()]))
    return {
        "one": stayed,
        "both": left,
        # Beside the one that held the thread, and the one after.
        "made of both": worker.counters.pictures_total - made - 2,
        "next apart": hand.apart(before[0], after[0]),
    }


async def _two(worker: Worker, leave: int) -> list[str]:
    gate = Gate(worker)
    hold = worker.submit([hand.task(7, steps=3)])
    while worker.waiting:
        await asyncio.sleep(0)
    jobs = [worker.submit([hand.task(seed, steps=200)]) for seed in (1, 2)]
    gate.open()
    await _pictures(hold)
    async for event in jobs[0]:
        if isinstance(event, Step):
            break
    for job in jobs[:leave]:
        job.cancel()
    return [await _ended(job) for job in jobs[2 - leave if leave == 1 else 0 :]]


async def _memory(worker: Worker) -> dict[str, object]:
    """No room for several at once, then none for one."""
    several = Gate(worker, lambda batch: torch.OutOfMemoryError("2 GiB") if len(batch.tasks) > 1 else None)
    several.open()
    made = await _ended(worker.submit([hand.task(seed) for seed in range(3)]))
    several.remove()
    none = Gate(worker, lambda batch: torch.OutOfMemoryError("2 GiB"))
    none.open()
    refused = await _ended(worker.submit([hand.task()]))
    none.remove()
    return {"several": made, "tried": several.sizes, "one": refused, "next": await _ended(worker.submit([hand.task()]))}


async def _fault(worker: Worker) -> list[str]:
    gate = Gate(worker, lambda batch: ZeroDivisionError())
    gate.open()
    ended = await _ended(worker.submit([hand.task(), hand.task(2, steps=5)]))
    gate.remove()
    return [ended, await _ended(worker.submit([hand.task()])), repr(worker)]


async def _sleep(worker: Worker) -> dict[str, object]:
    before = await _pictures(worker.submit([hand.task()]))
    seconds = [await worker.sleep(1), await worker.sleep(1), await worker.sleep(2)]
    refused = _refusal(worker)
    shown = repr(worker)
    waking = [await worker.wake(), await worker.wake()]
    after = await _pictures(worker.submit([hand.task()]))
    return {
        "seconds": all(each >= 0 for each in (*seconds, *waking)),
        "again is at once": seconds[1] < 0.05 and waking[1] < 0.05,
        "refused": refused,
        "shown": shown,
        "apart": hand.apart(before[0], after[0]),
    }


async def _closing(worker: Worker) -> list[str]:
    gate = Gate(worker)
    jobs = [worker.submit([hand.task(steps=200)]), worker.submit([hand.task(steps=100)])]
    while worker.waiting > 1:
        await asyncio.sleep(0)
    gate.open()
    await worker.close()
    return [await _ended(job) for job in jobs]


async def _no_model(scratch: Path) -> str:
    worker = Worker(settings.read(["--model", str(scratch / "nowhere")]))
    worker.start()
    try:
        await worker.started()
    except StartError as error:
        return str(error).replace(str(scratch), "SCRATCH")
    return worker.failure or ""


def _refusal(worker: Worker, task: Task | None = None) -> str:
    try:
        worker.submit([task or hand.task()])
    except ApiError as error:
        return f"{error.status} {error.code}"
    return ""
