"""How long callers want a model kept after its last request: told to the manager once, whenever it changes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from math import inf

from contract.errors import ApiError
from proxy.gateway.manager import ManagerAbsent

TellKeep = Callable[[str, float], Awaitable[None]]

_logger = logging.getLogger("roundhouse.proxy")


class Keeping:
    """One lease's. Whoever wants something never waits; `settled` is called when the manager has heard it, or cannot.

    Seconds; 0 is until the last request is done, inf is for ever.
    """

    def __init__(self, model: str, tell: TellKeep, settled: Callable[[], None]) -> None:
        self._model = model
        self._tell = tell
        self._settled = settled
        self._wanted: float | None = None
        self._told: float | None = None
        self._may_tell = False
        self._complaint = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def seconds(self) -> float:
        """How long the model is to stay after its last request, as far as anybody said."""
        return inf if self._wanted is None else self._wanted

    @property
    def is_telling(self) -> bool:
        """Whether the manager is being told at this moment."""
        return self._task is not None

    def want(self, seconds: float) -> None:
        """A request says how long. What could not be told before is tried again."""
        self._wanted = seconds
        self._begin()

    def pause(self) -> None:
        """A lease is being opened: its manager may be a new one, which was told nothing."""
        self._may_tell = False
        self._told = None

    def resume(self) -> None:
        """The manager knows of the lease: told earlier, "0" could end the model before its first use."""
        if not self._may_tell:
            self._may_tell = True
            self._begin()

    def close(self) -> None:
        """Tell nothing more."""
        self._may_tell = False
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        if self._may_tell and self._wanted != self._told and self._task is None:
            self._task = asyncio.create_task(self._tell_all(), name=f"keep of {self._model}")

    async def _tell_all(self) -> None:
        try:
            while self._wanted is not None and self._wanted != self._told:
                wanted = self._wanted
                await self._tell(self._model, wanted)
                self._told = wanted
        except ApiError as error:
            self._complain(error)
        finally:
            self._task = None  # now, not when the loop has noticed: a wish in between would be lost
        self._settled()

    def _complain(self, error: ApiError) -> None:
        reason = error.reason if isinstance(error, ManagerAbsent) else error.message
        if reason != self._complaint:
            _logger.warning("how long %s is to be kept could not be told: %s", self._model, reason)
        self._complaint = reason
