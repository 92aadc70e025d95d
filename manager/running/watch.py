"""Notices that an engine is gone, whatever else is done with it, and that it hangs."""

import asyncio
import time
from functools import partial
from typing import NoReturn, TypeVar

import httpx

from manager.engines.kind import EngineKind
from manager.running.metrics import scrape
from manager.running.racing import Work, first_of
from manager.running.watchdog import Watchdog
from manager.runtimes.runtime import Runtime
from manager.specification import EngineError

T = TypeVar("T")

EXIT_SECONDS = 0.5
SHORTEST_INTERVAL, LONGEST_INTERVAL = 1.0, 5.0  # seconds between two looks at an engine's work


class Watch:
    """Watches one engine from its start to its end."""

    def __init__(self, container: str, kind: EngineKind, runtime: Runtime, client: httpx.AsyncClient) -> None:
        self.container = container
        self.kind = kind
        self.runtime = runtime
        self.client = client
        self.interval = max(SHORTEST_INTERVAL, min(LONGEST_INTERVAL, kind.hang_timeout / 4))
        # A look takes as long as the pause between two at most.
        self.watchdog = Watchdog(kind.hang_timeout, longest_look=2 * self.interval)

    async def over(self, work: Work[T], code: str = "engine_died", when: str = "") -> T:
        """The result of the work. Raises EngineError where it fails, and with that code where the engine exits."""

        async def last() -> T:
            try:
                return await work()
            except EngineError:
                # Where the engine is gone, how it ended says more than that it did not answer.
                await asyncio.sleep(2 * EXIT_SECONDS)
                raise

        return await first_of(partial(self._exit, code, when), last)

    async def until_hung(self, endpoint: str) -> NoReturn:
        """Looks at the engine's work again and again. Raises EngineError when it hangs."""
        self.watchdog.begin_anew()
        while True:
            hung = await self.look(endpoint)
            if hung is not None:
                raise EngineError("engine_hung", f"the engine hangs: {hung}")
            await asyncio.sleep(self.interval)

    async def look(self, endpoint: str) -> str | None:
        """One look at the engine's work. The first tells whether it can be watched at all."""
        sample = await scrape(self.client, endpoint, self.kind.metrics, self.interval)
        return self.watchdog.look(time.monotonic(), sample)

    async def _exit(self, code: str, when: str) -> NoReturn:
        """Waits for the exit. A runtime that does not answer says nothing about the engine."""
        while True:
            await asyncio.sleep(EXIT_SECONDS)
            try:
                ended = await self.runtime.exit_of(self.container)
            except EngineError:
                continue
            if ended is not None:
                raise EngineError(code, f"{ended}{when}")
