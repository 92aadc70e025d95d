"""The parent of several workers: starts them, ends those that hang, starts those again that die, and stops them all.

SIGTERM is passed on, and what is in flight finishes; a second one is, too, and all ends at once. A worker that was
killed gives back what it held of shared limits.
"""

import asyncio
import logging
import signal
from collections.abc import Sequence
from functools import partial

from proxy.sharing.line import Assignment
from proxy.sharing.memory import SharedMemory, make_memory
from proxy.workers.child import Child
from proxy.workers.hub import Hub, Member
from proxy.workers.listening import Address
from proxy.workers.pauses import Pauses
from proxy.workers.watch import silence

SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE = 5.0  # seconds beyond a drain's bound, and after a second signal

_logger = logging.getLogger("roundhouse.proxy.workers")


class Parent:
    """Keeps `workers` workers going until it is told to stop. `patience`: how long one may be silent, in seconds."""

    def __init__(
        self, workers: int, addresses: Sequence[Address], key: str | None, drain: float, patience: float
    ) -> None:
        self._workers = workers
        self._addresses = tuple(addresses)
        self._key = key
        self._drain = drain
        self._patience = patience
        self._file = make_memory(workers)
        self._memory = SharedMemory(self._file, workers)
        self._hub = Hub(self._serving)
        self._children: dict[int, Child] = {}
        self._stopping = asyncio.Event()
        self._forced = asyncio.Event()
        self._has_served = False

    async def run(self) -> int:
        """Until all have ended -> the exit code: 0, or 1 where none ever served."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop)
        keeping = asyncio.gather(*(self._keep(worker) for worker in range(self._workers)))
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait((keeping, stopping), return_when=asyncio.FIRST_COMPLETED)
        await self._end(keeping)
        return 0 if self._has_served else 1

    def stop(self) -> None:
        """Begin to stop; asked again, stop at once."""
        if self._stopping.is_set():
            self._forced.set()
        self._stopping.set()
        for child in self._children.values():
            child.terminate()

    async def _end(self, keeping: "asyncio.Future[list[None]]") -> None:
        forced = asyncio.ensure_future(self._forced.wait())
        await asyncio.wait((keeping, forced), timeout=self._drain + GRACE, return_when=asyncio.FIRST_COMPLETED)
        if not forced.done():
            forced.cancel()
        await asyncio.wait((keeping,), timeout=GRACE)
        for child in self._children.values():
            _logger.error("worker %d did not end and is killed", child.worker)
            child.kill()
        await keeping

    async def _keep(self, worker: int) -> None:
        pauses = Pauses(asyncio.get_running_loop().time)
        while not self._stopping.is_set():
            pauses.begin()
            await self._run_one(worker)
            if not self._stopping.is_set():
                await self._pause(pauses.end())

    def _assignment(self, worker: int) -> Assignment:
        return Assignment(worker, self._workers, self._key, self._addresses, self._hub.bulletin.word)

    async def _run_one(self, worker: int) -> None:
        """One life of a worker."""
        try:
            child = await Child.start(self._assignment(worker), self._file)
        except OSError as error:  # the system has no process to give
            self._mourn(worker, str(error))
            return
        self._children[worker] = child
        if self._stopping.is_set():
            child.terminate()
        member = Member(child.line)
        following = asyncio.create_task(self._hub.follow(member))
        watching = asyncio.create_task(self._watch(child, member))
        code = await child.ended()
        watching.cancel()
        del self._children[worker]
        self._memory.forget(worker)
        child.line.close()
        await following
        self._mourn(worker, f"it ended with {code}")

    async def _watch(self, child: Child, member: Member) -> None:
        """A worker that hangs would keep its share of the callers waiting: it is ended, and `_keep` starts another."""
        await silence(partial(self._hub.hears, member), self._patience)
        _logger.error("worker %d was silent for %g s and is killed", child.worker, self._patience)
        child.kill()

    def _mourn(self, worker: int, reason: str) -> None:
        if self._stopping.is_set():
            return
        self._hub.deaths += 1
        _logger.error("worker %d: %s", worker, reason)
        if not self._has_served:
            _logger.error("no worker could be started")
            self.stop()

    async def _pause(self, seconds: float) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait((stopping,), timeout=seconds)
        stopping.cancel()

    def _serving(self, _: Member) -> None:
        self._has_served = True
