"""What every place to run engines offers. A container's name is its handle, and a lock: it exists once."""

from collections.abc import AsyncIterator
from typing import Protocol

from manager.specification import EngineSpec, Exit, Found, Inside


class Runtime(Protocol):
    """Runs engines one shot: nothing here restarts, decides or remembers. Foreign errors come out as EngineError."""

    @property
    def inside(self) -> Inside:
        """Folders as engines see them here."""
        ...

    @property
    def complaint(self) -> str | None:
        """Why the place does not answer at present, in words, or None where it does."""
        ...

    async def open(self) -> None:
        """Makes sure that the place can be used. Raises EngineError with what to do where it cannot."""
        ...

    async def close(self) -> None: ...

    async def found(self) -> tuple[Found, ...]:
        """All engines of this instance, running or not."""
        ...

    async def start(self, spec: EngineSpec) -> None:
        """Starts the engine; a leftover of ours under its name is removed first."""
        ...

    async def stop(self, container: str, grace: float) -> None:
        """SIGTERM, after `grace` seconds SIGKILL, then all traces removed but the log. Not there: nothing to do."""
        ...

    async def kill(self, container: str) -> None:
        """SIGKILL now, beside whatever else is done with it: a `stop` that waits is over. Not there: nothing to do."""
        ...

    async def sweep(self, wanted: frozenset[str]) -> tuple[str, ...]:
        """Removes engines of this instance that no name in `wanted` stands for, and what belongs to them.

        Only what was unwanted for a minute of sweeps: an orphan after a reply that was lost. Returns what it removed.
        """
        ...

    async def exit_of(self, container: str) -> Exit | None:
        """How the engine ended, or None while it runs."""
        ...

    async def endpoint(self, spec: EngineSpec, peer: str | None) -> str:
        """The URL at which `peer` (a host name; None: the manager itself) reaches the engine."""
        ...

    async def tail(self, container: str, lines: int) -> tuple[str, ...]: ...

    def logs(self, container: str, lines: int, follow: bool) -> AsyncIterator[bytes]: ...
