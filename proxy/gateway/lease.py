"""One model's lease: the stream to the manager, and the requests under it.

One task owns the stream. Requests enter by `join` and go by `leave`; while the model is ready neither awaits anything.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from contract.errors import ApiError
from contract.lease import Drain, Failed, Heartbeat, LeaseEvent, Ready
from proxy.gateway import lease_errors
from proxy.gateway.deadline import Deadline
from proxy.gateway.keeping import Keeping, TellKeep
from proxy.gateway.limits import LeaseLimits
from proxy.gateway.manager import ManagerAbsent
from proxy.gateway.progress import Progress
from proxy.gateway.roster import Holder, LeaseLoad, Roster
from proxy.gateway.upstream import Address

OpenStream = Callable[[str], AbstractAsyncContextManager[AsyncIterator[LeaseEvent]]]

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 0.5  # for so long, too, a manager that is back cannot take an old address away

_logger: Final = logging.getLogger("roundhouse.proxy")


class Lease:
    """The lease of `model`. `address` is where requests may be sent now; None: they wait, and `progress` says for what.

    `cause` is done when the engine that was ready has died: the manager's reason.
    """

    def __init__(
        self,
        model: str,
        open_stream: OpenStream,
        tell_keep: TellKeep,
        limits: LeaseLimits,
        closed: Callable[["Lease"], None],
    ) -> None:
        self.model = model
        self.address: Address | None = None
        self.progress = Progress()
        self._open_stream = open_stream
        self._limits = limits
        self._closed = closed
        self._roster = Roster()
        self._absent_since: float | None = None
        self._heard = False  # whether the manager knows of this lease
        self.loop = asyncio.get_running_loop()
        self.cause: asyncio.Future[str] = self.loop.create_future()
        self._keeping = Keeping(model, tell_keep, self._rest)
        self._linger = Deadline(self.loop, self._lingered)
        self._task = self.loop.create_task(self._run(), name=f"lease of {model}")

    def __repr__(self) -> str:
        state = f"ready at {self.address.authority.decode()}" if self.address else self.progress.words
        return f"<Lease {self.model}: {state}, {self._roster}>"

    @property
    def load(self) -> LeaseLoad:
        """How it stands at this moment."""
        stage = self.progress.stage if self.address is None else "ready"
        return LeaseLoad(self.model, stage, self._roster.in_flight, self._roster.waiting)

    # Requests

    @property
    def has_room(self) -> bool:
        """Whether a request that joins is in flight at once."""
        return self.address is not None and self._roster.in_flight < self._limits.in_flight

    def join(self, holder: Holder) -> Address | asyncio.Future[Address]:
        """Count a request in: the address, or a future of it. Raises ApiError (503) past the bounds."""
        self._linger.clear()
        if self.address is not None:
            if self._roster.in_flight >= self._limits.in_flight:
                raise lease_errors.overloaded(self.model, self._roster.in_flight)
            self._roster.enter(holder)
            return self.address
        if self._roster.waiting >= self._limits.waiting:
            raise lease_errors.overloaded(self.model, self._roster.waiting)
        return self._roster.queue(holder)

    def leave(self, holder: Holder) -> None:
        """Count a request out, wherever it stood."""
        self._roster.leave(holder)
        self._rest()

    async def cause_within(self, seconds: float) -> str | None:
        """Why the engine under a request died, if the manager says so within `seconds`."""
        await asyncio.wait((cause := self.cause,), timeout=seconds)
        return cause.result() if cause.done() else None

    def keep(self, seconds: float) -> None:
        """A request says how long the model is to stay without use; the manager is told, and nobody waits for that."""
        self._keeping.want(seconds)

    async def close(self) -> None:
        """Close the stream now."""
        self._task.cancel()
        await asyncio.wait((self._task,))

    def _rest(self) -> None:
        """Nobody may be here any more: the stream stays open a little while, for whoever comes next."""
        if self._roster.is_empty:
            self._linger.set(min(self._limits.linger, self._keeping.seconds))

    def _lingered(self) -> None:
        if not self._roster.is_empty or not self._heard or self._keeping.is_telling:
            return  # a want that nobody waits for any more is told to the manager all the same: the load is its affair
        if self._absent_since is not None:
            self._linger.set(self._limits.linger)  # the address is worth more while nobody can give another
        else:
            self._closed(self)
            self._task.cancel()

    # The stream

    async def _run(self) -> None:
        try:
            while await self._session():
                pass
        finally:
            self._closed(self)
            self._linger.close()
            self._keeping.close()
            self._refuse(lease_errors.closing(self.model))

    async def _session(self) -> bool:
        """One stream, from its opening to its end -> whether to open another."""
        self._heard = False
        self._keeping.pause()
        try:
            async with self._open_stream(self.model) as events:
                self._hear()
                await self._follow(events)
        except ManagerAbsent as error:
            await self._bear_absence(error)
            return True
        except ApiError as error:
            self._refuse(error)
        self._absent_since = None
        return self._roster.waiting > 0

    def _hear(self) -> None:
        self._heard = True
        self._rest()

    async def _follow(self, events: AsyncIterator[LeaseEvent]) -> None:
        async for event in events:
            self._absent_since = None
            self._keeping.resume()
            match event:
                case Ready():
                    self._admit(event)
                case Drain():
                    await self._drain(event.seconds)
                    return
                case Failed():
                    self._end(event)
                    return
                case Heartbeat():
                    pass
                case _:
                    self.address = None
                    self.progress.follow(event)
        raise ManagerAbsent("the manager closed the lease's stream")

    def _admit(self, event: Ready) -> None:
        self.address = address = _address(event.endpoint)
        if self.cause.done():
            self.cause = self.loop.create_future()
        self.progress.follow(event)
        self._roster.admit(address)

    def _end(self, event: Failed) -> None:
        if not self.cause.done():
            self.cause.set_result(event.reason)
        self._refuse(lease_errors.failed(self.model, event))

    def _refuse(self, reason: ApiError) -> None:
        self.address = None
        self.progress.say(f"failed: {reason.message}", "failed")
        self._roster.refuse(reason)

    async def _drain(self, seconds: float) -> None:
        """Nothing new is sent; what is in flight ends by itself, or by the bound."""
        self.address = None
        self.progress.say("draining: requests before this one finish", "draining")
        try:
            async with asyncio.timeout(seconds):
                await self._roster.empty()
        except TimeoutError:
            self._roster.cut(lease_errors.drained(self.model, seconds))
            await self._roster.empty()

    async def _bear_absence(self, error: ManagerAbsent) -> None:
        """The address, if there is one, goes on serving; who waits is told when the manager stays away."""
        now = self.loop.time()
        if self._absent_since is None:
            self._absent_since = now
            _logger.warning("lease of %s: %s", self.model, error.reason)
        away = now - self._absent_since
        if away >= self._limits.absence:
            self._roster.refuse(error)
        self.progress.say("waiting for the manager to come back", "absent")
        await asyncio.sleep(min(max(away, FIRST_PAUSE), LONGEST_PAUSE))


def _address(endpoint: str) -> Address:
    """An engine that died takes its network along: what is left of its address must not lead to a stranger."""
    try:
        return Address.parse(endpoint, near=True)
    except ValueError as error:
        raise lease_errors.bad_endpoint() from error
