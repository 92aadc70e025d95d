"""One admitted request from its beginning to its end, which is counted once, in whatever way it ends."""

import asyncio
from time import perf_counter
from types import TracebackType

from contract.errors import ApiError
from proxy.access.admission import Ticket
from proxy.gateway.asgi import CLIENT_LEFT
from proxy.gateway.tally import Tally
from proxy.metrics.meter import Meter


class Course:
    """`with` it: at its end the ticket is settled and the meter told. Where nothing can raise, `end` does the same.

    It begins when it is made.
    """

    __slots__ = ("_began", "_meter", "_model", "_path", "_tally", "_ticket")

    def __init__(self, path: str, model: str, ticket: Ticket, tally: Tally, meter: Meter) -> None:
        self._path = path
        self._model = model
        self._ticket = ticket
        self._tally = tally
        self._meter = meter
        self._began = perf_counter()

    def __enter__(self) -> None:
        """Begun already."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(200 if error is None else _status_of(error))

    def end(self, status: int) -> None:
        """It ended with this status; 499: its caller left."""
        tally = self._tally
        self._ticket.settle(tally.spent(self._ticket.expect))
        first = tally.first_at - self._began if tally.first_at is not None else None
        self._meter.done(self._path, self._model, status, perf_counter() - self._began, first, tally.usage)


def _status_of(error: BaseException) -> int:
    """How a request ended; 499: its caller left."""
    if isinstance(error, ApiError):
        return error.status
    if isinstance(error, asyncio.CancelledError):
        return 499 if error.args == (CLIENT_LEFT,) else 503
    return 500
