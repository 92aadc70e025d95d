"""The jobs that are not over. One runs for each model; the others wait in their order."""

import asyncio
from collections.abc import Callable, Iterator

from contract.errors import ApiError
from contract.jobs import JobStatus
from proxy.access.charge import Charges
from proxy.jobs.job import Job
from proxy.jobs.queues import Queues
from proxy.jobs.runner import Runner, passes
from proxy.jobs.standing import Standing, Told
from proxy.jobs.turn import Turn
from proxy.traffic import Traffic

# A model's name -> what a request for it waits for now, in words.
Words = Callable[[str], str]


class Floor:
    """Knows whose turn it is. A job begins once its model is free of others and its key has a place for it."""

    def __init__(self, runner: Runner, charges: Charges, traffic: Traffic, words: Words) -> None:
        self._runner = runner
        self._charges = charges
        self._traffic = traffic
        self._words = words
        self._queues = Queues()
        self._turns: dict[str, Turn] = {}
        self._running: dict[str, Turn] = {}

    def __repr__(self) -> str:
        return f"<Floor {len(self._running)} running, {len(self._turns) - len(self._running)} waiting>"

    def __iter__(self) -> Iterator[Job]:
        """Every job that is not over."""
        return iter([turn.job for turn in self._turns.values()])

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._turns

    @property
    def waiting(self) -> list[tuple[str, int]]:
        """How many wait for their turn at each model."""
        return [(model, self._queues.count(model)) for model in self._queues.models]

    def count(self, model: str) -> int:
        """How many jobs of a model are not at work, those among them that are being handed in."""
        return sum(turn.job.model == model for turn in self._turns.values()) - (model in self._running)

    def turn(self, job_id: str) -> Turn | None:
        return self._turns.get(job_id)

    def expect(self, turn: Turn) -> None:
        """It counts from now on, and stands in no queue yet."""
        self._turns[turn.job.id] = turn

    def forget(self, turn: Turn) -> None:
        self._turns.pop(turn.job.id, None)

    def line_up(self, turn: Turn) -> None:
        """At the end of its model's queue, unless it was called off before."""
        job = turn.job
        if turn.is_off:
            return
        self._turns[job.id] = turn
        self._queues.add(job.model, job.id)
        turn.tell("artifact-pending", position=self._queues.position(job.model, job.id))
        self._next(job.model)

    def told(self, job: Job) -> Told:
        """A job with how it stands at this moment."""
        turn = self._turns.get(job.id)
        if turn is None or turn.job.is_over:
            return Told(turn.job if turn is not None else job, None)
        job, course = turn.job, turn.course
        position = self._queues.position(job.model, job.id)
        is_at_work = job.status is JobStatus.IN_PROGRESS and course.step > 0
        waits_for = None if is_at_work else self._waits_for(turn, position)
        poll_after = course.poll_after(position)
        return Told(
            job, Standing(course.stage, course.step, course.steps, course.percent, position, poll_after, waits_for)
        )

    async def call_off(self, turn: Turn) -> None:
        """Nothing of it goes on when this returns."""
        if self._queues.remove(turn.job.model, turn.job.id):
            self.forget(turn)
            self._tell_positions(turn.job.model)
        elif turn.task is not None:
            turn.task.cancel()
            await asyncio.wait((turn.task,))
        else:  # it is being handed in
            turn.is_off = True
            self.forget(turn)

    def review(self) -> None:
        """Who waits is looked at again: its key may have been revoked, or have a place now."""
        for model in self._queues.models:
            for job_id in self._queues.of(model):
                turn = self._turns[job_id]
                try:
                    self._charges.require(turn.job.key, model)
                except ApiError as error:
                    if not passes(error):
                        self._dismiss(turn, error)
            self._next(model)

    async def clear(self) -> None:
        """Nobody waits any more, and who is at work is interrupted."""
        for turn in tuple(self._turns.values()):
            if self._queues.remove(turn.job.model, turn.job.id):
                self.forget(turn)
        tasks = [turn.task for turn in self._turns.values() if turn.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._turns.clear()

    def _waits_for(self, turn: Turn, position: int) -> str:
        model = turn.job.model
        if not position:
            return self._words(turn.course.asked or model)
        if model not in self._running:
            return "another request of its key to end"
        return f"its turn, after {position} job{'s' * (position > 1)} of '{model}'"

    def _next(self, model: str) -> None:
        """Whoever is first begins, where nobody is at it."""
        if model in self._running or self._traffic.draining:
            return
        turn = self._first(model)
        if turn is None:
            return
        self._queues.remove(model, turn.job.id)
        self._running[model] = turn
        turn.task = asyncio.create_task(self._run(turn), name=f"job {turn.job.id}")
        self._tell_positions(model)

    def _first(self, model: str) -> Turn | None:
        """The first of those whose key has a place for it, which is taken."""
        for job_id in self._queues.of(model):
            turn = self._turns[job_id]
            try:
                turn.place = self._charges.begin(turn.job.key, model)
            except ApiError as error:
                if not passes(error):
                    self._dismiss(turn, error)
            else:
                return turn
        return None

    def _dismiss(self, turn: Turn, error: ApiError) -> None:
        """It has failed before its turn came."""
        self._queues.remove(turn.job.model, turn.job.id)
        turn.task = asyncio.create_task(self._fail(turn, error), name=f"job {turn.job.id}")

    def _tell_positions(self, model: str) -> None:
        for turn in self._turns.values():
            if turn.job.model == model and (position := self._queues.position(model, turn.job.id)):
                turn.tell("artifact-pending", position=position)

    async def _fail(self, turn: Turn, error: ApiError) -> None:
        try:
            await self._runner.fail(turn, error)
        finally:
            self.forget(turn)

    async def _run(self, turn: Turn) -> None:
        try:
            await self._runner.run(turn)
        finally:
            turn.end()
            self.forget(turn)
            self._running.pop(turn.job.model, None)
            self._next(turn.job.model)
