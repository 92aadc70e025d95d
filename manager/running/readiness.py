"""Is an engine healthy, exited, or past its deadline? Ready is more than healthy: a one-token probe has passed."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx

from manager.engines.kind import EngineKind, Probe
from manager.specification import EngineError, Exit

POLL_SECONDS = 0.1
LOG_SECONDS = 1.0
PROBE_DEADLINE = 120.0

ExitOf = Callable[[], Awaitable[Exit | None]]
LogTail = Callable[[], Awaitable[tuple[str, ...]]]
Report = Callable[[str], None]


class Readiness:
    """Watches one start. `exit_of` and `log_tail` are the runtime's."""

    def __init__(self, client: httpx.AsyncClient, kind: EngineKind, exit_of: ExitOf, log_tail: LogTail) -> None:
        self.client = client
        self.kind = kind
        self.exit_of = exit_of
        self.log_tail = log_tail

    async def wait(self, endpoint: str, report: Report, patience: float) -> None:
        """Returns when the engine is healthy; `report` is told each phase. Raises EngineError when it exits, or is not
        healthy within `patience` seconds."""
        deadline = time.monotonic() + patience
        read_log_at = 0.0
        while not await self.is_healthy(endpoint):
            await self._raise_if_over(deadline, patience)
            if time.monotonic() >= read_log_at:
                report(phase_of(await self._log(), self.kind.phases))
                read_log_at = time.monotonic() + LOG_SECONDS
            await asyncio.sleep(POLL_SECONDS)

    async def is_healthy(self, endpoint: str) -> bool:
        try:
            answer = await self.client.get(endpoint + self.kind.health_path)
        except httpx.RequestError:
            return False
        return answer.status_code == httpx.codes.OK

    async def _raise_if_over(self, deadline: float, patience: float) -> None:
        ended = await self._ended()
        if ended is not None:
            raise EngineError("engine_start_failed", f"{ended} while starting", await self._log())
        if time.monotonic() >= deadline:
            reason = f"not healthy within {patience:g} s"
            raise EngineError("engine_start_timeout", reason, await self._log())

    async def _ended(self) -> Exit | None:
        """A runtime that does not answer says nothing about the engine."""
        try:
            return await self.exit_of()
        except EngineError:
            return None

    async def _log(self) -> tuple[str, ...]:
        try:
            return await self.log_tail()
        except EngineError:
            return ()


async def prove(client: httpx.AsyncClient, endpoint: str, probe: Probe, code: str) -> None:
    """The data-plane proof. Raises EngineError of that code, with the engine's own words, where it fails."""
    try:
        answer = await client.post(endpoint + probe.path, json=dict(probe.body), timeout=PROBE_DEADLINE)
    except httpx.RequestError as error:
        raise EngineError(code, f"the probe got no answer: {type(error).__name__}") from error
    if answer.status_code != httpx.codes.OK:
        reason = f"the probe was answered with status {answer.status_code}: {answer.text[:500]}"
        raise EngineError(code, reason)


def phase_of(log: tuple[str, ...], phases: tuple[tuple[str, str], ...]) -> str:
    """The latest phase whose mark stands in the log."""
    text = "\n".join(log)
    reached = [phase for mark, phase in phases if mark in text]
    return reached[-1] if reached else "starting the engine"
