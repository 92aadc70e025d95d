"""The one thread that owns the pipeline, and how the event loop asks it for pictures, sleep and waking."""

import asyncio
import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from contract.errors import ApiError
from images.diffusers.server import failures
from images.diffusers.server.border import outcome
from images.diffusers.server.desk import Desk
from images.diffusers.server.jobs import Failed, Job, Made
from images.diffusers.server.loading import LoadedModel, StartError
from images.diffusers.server.progress import Counters, Stopped, Ticket
from images.diffusers.server.settings import Settings
from images.diffusers.server.studio import Studio
from images.diffusers.server.tasks import Task
from images.diffusers.server.waiting import Command

LOG = logging.getLogger(__name__)
# How long a batch waits for others that are on their way: a share of the last one's time, and seconds at most.
LINGER_SHARE, LINGER_MOST = 0.01, 0.02
# How long closing waits for the thread: a step can end within it, a load need not.
JOIN_SECONDS = 10.0


class Worker:
    """Everything here is called on the event loop and never blocks it. `failure` is why the start ended, if it did."""

    def __init__(self, settings: Settings) -> None:
        self.counters = Counters()
        self.failure: str | None = None
        self.studio = Studio(settings, self.counters)
        self._desk = Desk()
        self._level = 0
        self._linger = 0.0
        self._start: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="pipeline", daemon=True)

    def __repr__(self) -> str:
        state = self.failure or ("asleep" if self.asleep else "ready" if self.ready else "loading")
        return f"<Worker {state}: {self.running} running, {self.waiting} waiting>"

    @property
    def model(self) -> LoadedModel:
        """What is served. Raises ApiError 503 before the weights are there."""
        if not self.ready:
            raise failures.loading()
        return self.studio.model

    @property
    def ready(self) -> bool:
        """Whether the model was loaded and warmed up; it stays so while asleep."""
        return self._start.done() and self.failure is None

    @property
    def asleep(self) -> bool:
        return self._level > 0

    @property
    def running(self) -> int:
        return self._desk.running

    @property
    def waiting(self) -> int:
        return self._desk.waiting

    def start(self) -> None:
        """Begins loading, in the worker's thread."""
        self._thread.start()

    async def started(self) -> None:
        """Until the model is ready. Raises StartError where it cannot be served."""
        await asyncio.shield(asyncio.wrap_future(self._start))

    def submit(self, tasks: Sequence[Task], previews: int = 0) -> Job:
        """The job of one request. Raises ApiError where a scheduler or an adapter is unknown, or nothing is awake."""
        if not self.ready:
            raise failures.loading()
        if self.asleep:
            raise failures.asleep()
        for task in tasks:
            self.studio.check(task)
        job = Job(tuple(tasks), previews, asyncio.get_running_loop())
        self._desk.leave(Ticket(job, index, task) for index, task in enumerate(tasks))
        return job

    async def sleep(self, level: int) -> float:
        """Seconds that it took; after what was asked for before. Level 2 after level 1 goes deeper."""
        return await self._ask(lambda: self._fall_asleep(level))

    async def wake(self) -> float:
        """Seconds that it took. Raises ApiError where the weights find no room."""
        return await self._ask(self._wake_up)

    async def close(self) -> None:
        """Calls everything off and ends the thread."""
        for item in self._desk.close():
            _refuse(item)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, JOIN_SECONDS)

    async def _ask(self, run: Callable[[], None]) -> float:
        if not self.ready:
            raise failures.loading()
        command = Command(run, asyncio.get_running_loop().create_future())
        self._desk.leave([command])
        return await command.done

    # From here on: the worker's thread.

    def _run(self) -> None:
        error = outcome(self._begin)
        if error is not None:
            self._fail(error)
            return
        LOG.info("serving")
        self._start.set_result(None)
        while (item := self._desk.take()) is not None:
            if isinstance(item, Command):
                self._obey(item)
            else:
                self._draw(self._desk.gather(item, self.studio.most(item.task), self._linger))

    def _begin(self) -> None:
        self.studio.load()
        self.studio.warm_up()

    def _fail(self, error: Exception) -> None:
        told = isinstance(error, StartError)
        self.failure = str(error) if told else f"the model could not be started: {type(error).__name__}: {error}"
        LOG.error("%s", self.failure, exc_info=None if told else error)
        self._start.set_exception(StartError(self.failure))

    def _draw(self, batch: tuple[Ticket, ...]) -> None:
        if self.asleep:
            self._finish(batch, failures.asleep())
            return
        since = time.monotonic()
        fault = self._attempt(batch)
        if fault is not None:
            self._recover(batch, fault)
        self._linger = min(LINGER_MOST, LINGER_SHARE * (time.monotonic() - since))

    def _attempt(self, batch: tuple[Ticket, ...]) -> ApiError | None:
        made = outcome(lambda: self.studio.make(batch))
        if isinstance(made, Exception) and not isinstance(made, Stopped):
            fault = failures.as_api_error(made, "the pipeline", [ticket.task for ticket in batch])
            traceback.clear_frames(made.__traceback__)  # they hold the tensors that were too many
            return fault
        self._finish(batch, failures.called_off() if isinstance(made, Stopped) else made)
        return None

    def _recover(self, batch: tuple[Ticket, ...], fault: ApiError) -> None:
        """Without memory for a batch of several, each is tried alone before anybody is refused."""
        short = fault.code == failures.OUT_OF_MEMORY
        if short:
            self.studio.free()
        if not short or len(batch) == 1:
            self._finish(batch, fault)
            return
        for ticket in batch:
            self._draw((ticket,))

    def _finish(self, batch: tuple[Ticket, ...], told: Sequence[Made] | ApiError) -> None:
        """Tells the requests. They no longer count as running by then, so that nobody sees them so after an answer."""
        self._desk.done(batch)
        if isinstance(told, ApiError):
            for ticket in batch:
                _end(ticket, told)
            return
        for ticket, made in zip(batch, told, strict=True):
            ticket.job.tell(made)

    def _obey(self, command: Command) -> None:
        since = time.monotonic()
        fault = outcome(command.run)
        error = None if fault is None else failures.as_api_error(fault, "going to sleep or waking")
        command.finish(error, since)

    def _fall_asleep(self, level: int) -> None:
        if level > self._level:
            self.studio.sleep(level)
            self._level = level

    def _wake_up(self) -> None:
        if self.asleep:
            self.studio.wake(self._level)
            self._level = 0


def _end(ticket: Ticket, error: Exception) -> None:
    """The whole request ends with it: what else of it waits is left out."""
    ticket.job.tell(Failed(error))
    ticket.job.cancel()


def _refuse(item: Ticket | Command) -> None:
    if isinstance(item, Command):
        item.finish(failures.called_off(), time.monotonic())
    else:
        _end(item, failures.called_off())
