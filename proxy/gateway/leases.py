"""`async with leases.hold(model) as address`: the model is ready, and stays so for the length of the block."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Final

from contract.errors import DO_NOT_RETRY, ApiError
from proxy.gateway import lease_errors
from proxy.gateway.asgi import DONE
from proxy.gateway.keeping import TellKeep
from proxy.gateway.lease import Lease, OpenStream
from proxy.gateway.limits import LeaseLimits
from proxy.gateway.upstream import Address

ASK_SECONDS: Final = 1.0  # the manager says within this how a model stands; a ready one takes it a few milliseconds


class Leases:
    """This worker's leases, one per model in use."""

    def __init__(self, open_stream: OpenStream, tell_keep: TellKeep, limits: LeaseLimits) -> None:
        self._open_stream = open_stream
        self._tell_keep = tell_keep
        self._limits = limits
        self._leases: dict[str, Lease] = {}

    def __repr__(self) -> str:
        return f"<Leases {list(self._leases.values())}>"

    def __iter__(self) -> Iterator[Lease]:
        """Every lease that is open."""
        return iter(tuple(self._leases.values()))

    def hold(self, model: str, wait: float | None = None, keep: float | None = None) -> "Hold":
        """Entering waits until the model is ready. Raises ApiError (503).

        `wait` is how long this request would wait at most, in seconds, if it says so; `keep` is how long the model is
        to stay without use, inf for ever.
        """
        return Hold(self, model, wait, keep)

    @property
    def longest_wait(self) -> float:
        """Seconds that a request waits for its model at most."""
        return self._limits.wait

    def progress(self, model: str, awaited: str) -> str:
        """What a request for the model waits for, in words: `awaited` is it once the model is ready."""
        lease = self._leases.get(model)
        if lease is None:
            return "asking the manager"
        return lease.progress.words if lease.address is None else f"waiting for {awaited}"

    def ready(self, model: str) -> Lease | None:
        """The model's lease, if a request may be sent at once."""
        lease = self._leases.get(model)
        return lease if lease is not None and lease.has_room else None

    def lease_of(self, model: str) -> Lease:
        """The model's lease, opened if there is none."""
        lease = self._leases.get(model)
        if lease is None:
            lease = self._leases[model] = Lease(model, self._open_stream, self._tell_keep, self._limits, self._closed)
        return lease

    def _closed(self, lease: Lease) -> None:
        if self._leases.get(lease.model) is lease:
            del self._leases[lease.model]

    async def close(self) -> None:
        """Close every lease."""
        for lease in tuple(self._leases.values()):
            await lease.close()


class Hold:
    """One request's place under a lease. The lease may cut it short, as a drain's bound does."""

    __slots__ = ("_keep", "_lease", "_leases", "_model", "_reason", "_task", "_wait")

    def __init__(self, leases: Leases, model: str, wait: float | None, keep: float | None) -> None:
        self._leases = leases
        self._model = model
        self._wait = wait
        self._keep = keep
        self._reason: ApiError | None = None

    async def __aenter__(self) -> Address:
        self._lease = self._leases.lease_of(self._model)
        self._task = asyncio.current_task(self._lease.loop)  # without it, a system call asks for the process first
        place = self._lease.join(self)
        if self._keep is not None:
            self._lease.keep(self._keep)
        if isinstance(place, Address):
            return place
        return await self._await_place(place)

    async def _await_place(self, place: asyncio.Future[Address]) -> Address:
        longest = self._leases.longest_wait
        bound = longest if self._wait is None else min(self._wait, longest)
        with ExitStack() as on_failure:
            on_failure.callback(self._lease.leave, self)
            if self._wait is not None and bound < ASK_SECONDS:
                await self._ask()
            try:
                async with asyncio.timeout(bound):
                    address = await place
            except TimeoutError as error:
                raise self._waited(bound) from error
            on_failure.pop_all()
        return address

    async def _ask(self) -> None:
        """Until it is known how the model stands: one that is ready must not look cold for want of a question."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                await self._lease.progress.known.wait()

    def _waited(self, bound: float) -> ApiError:
        progress = self._lease.progress
        error = lease_errors.waited(self._model, bound, progress.words, progress.remaining())
        if self._wait is not None:
            error.headers.update(DO_NOT_RETRY)  # whoever says how long it waits asks again when it wants to
        return error

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Awaitable[None]:
        self._lease.leave(self)
        if self._reason is not None:
            is_cut = self._task is not None and self._task.uncancel() == 0
            if is_cut and kind is asyncio.CancelledError:
                raise self._reason from error
        return DONE

    async def cause(self, seconds: float) -> str | None:
        """Why the engine under this request died, if the manager says so within `seconds`."""
        return await self._lease.cause_within(seconds)

    def cut(self, reason: ApiError) -> None:
        """End the request's block: it raises the reason."""
        self._reason = reason
        if self._task is not None:
            self._task.cancel()
