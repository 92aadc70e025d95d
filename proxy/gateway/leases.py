"""`async with leases.hold(model) as address`: the model is ready, and stays so for the length of the block."""

import asyncio
from types import TracebackType

from contract.errors import ApiError
from proxy.gateway import lease_errors
from proxy.gateway.lease import Lease, OpenStream
from proxy.gateway.limits import LeaseLimits
from proxy.gateway.upstream import Address


class Leases:
    """This worker's leases, one per model in use."""

    def __init__(self, open_stream: OpenStream, limits: LeaseLimits) -> None:
        self._open_stream = open_stream
        self._limits = limits
        self._leases: dict[str, Lease] = {}

    def __repr__(self) -> str:
        return f"<Leases {list(self._leases.values())}>"

    def hold(self, model: str) -> "Hold":
        """Entering waits until the model is ready. Raises ApiError (503)."""
        return Hold(self, model, self._limits.wait)

    def progress(self, model: str) -> str:
        """What a request for the model waits for, in words."""
        lease = self._leases.get(model)
        return lease.progress if lease is not None else "asking the manager"

    def lease_of(self, model: str) -> Lease:
        """The model's lease, opened if there is none."""
        lease = self._leases.get(model)
        if lease is None:
            lease = self._leases[model] = Lease(model, self._open_stream, self._limits, self._closed)
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

    __slots__ = ("_lease", "_leases", "_model", "_reason", "_task", "_wait")

    def __init__(self, leases: Leases, model: str, wait: float) -> None:
        self._leases = leases
        self._model = model
        self._wait = wait
        self._reason: ApiError | None = None

    async def __aenter__(self) -> Address:
        self._task = asyncio.current_task()
        self._lease = self._leases.lease_of(self._model)
        place = self._lease.join(self)
        if isinstance(place, Address):
            return place
        return await self._await_place(place)

    async def _await_place(self, place: asyncio.Future[Address]) -> Address:
        try:
            async with asyncio.timeout(self._wait):
                return await place
        except TimeoutError as error:
            self._lease.leave(self)
            raise lease_errors.waited(self._model, self._wait, self._lease.progress) from error
        except BaseException:
            self._lease.leave(self)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lease.leave(self)
        cut = self._reason is not None and self._task is not None and self._task.uncancel() == 0
        if cut and self._reason is not None and kind is asyncio.CancelledError:
            raise self._reason from error

    async def cause(self, seconds: float) -> str | None:
        """Why the engine under this request died, if the manager says so within `seconds`."""
        future = self._lease.cause
        await asyncio.wait((future,), timeout=seconds)
        return future.result() if future.done() else None

    def cut(self, reason: ApiError) -> None:
        """End the request's block: it raises the reason."""
        self._reason = reason
        if self._task is not None:
            self._task.cancel()
