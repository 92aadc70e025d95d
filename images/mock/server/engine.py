"""The engine's whole state: work in turns, sleep, and what goes wrong on demand. All on the event loop."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

from images.mock.server import errors
from images.mock.server.death import die
from images.mock.server.memory import Resident
from images.mock.server.settings import Knobs, Settings


class Unit(StrEnum):
    """What work is counted in."""

    TOKEN = "tokens"  # noqa: S105  no secret
    STEP = "steps"


class Engine:
    """`made` counts the work done since the start. An engine that hangs keeps what it had begun, for ever."""

    def __init__(self, settings: Settings, resident: Resident) -> None:
        self.settings = settings
        self.resident = resident
        self.made: Counter[Unit] = Counter()
        self.running = 0
        self.waiting = 0
        self.level = 0
        self.hangs = False
        self._slots = asyncio.Semaphore(settings.slots)
        self._idle = asyncio.Event()
        self._idle.set()
        self._tier = asyncio.Lock()

    def __repr__(self) -> str:
        state = "hung" if self.hangs else f"asleep at level {self.level}" if self.level else "awake"
        return f"<Engine {state}: {self.running} running, {self.waiting} waiting>"

    async def work(self, knobs: Knobs, unit: Unit, amount: int) -> AsyncGenerator[int, None]:
        """Numbers of units, from 0, each when it is done. Raises ApiError while asleep."""
        if self.level:
            raise errors.asleep()
        pause = knobs.step_seconds if unit is Unit.STEP else _pause(knobs.tokens_per_second)
        async with self._turn():
            await self._misbehave(knobs, 0)
            for number in range(amount):
                await asyncio.sleep(pause)
                await self._misbehave(knobs, number)
                self.made[unit] += 1
                yield number
            await self._misbehave(knobs, amount)

    async def sleep(self, level: int) -> None:
        """Level 1 keeps the memory, level 2 gives it back; after the work that has begun."""
        async with self._tier:
            if level <= self.level:
                return
            self.level = level  # from here on, nothing new begins
            await self._idle.wait()
            await asyncio.sleep(self.settings.sleep_seconds)
            if level > 1:
                await asyncio.to_thread(self.resident.give_back)

    async def wake(self) -> None:
        async with self._tier:
            if self.level:
                await asyncio.sleep(self.settings.wake_seconds)
                await asyncio.to_thread(self.resident.take)
                self.level = 0

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        self.waiting += 1
        self._idle.clear()
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
            self._rest_if_idle()
        self.running += 1
        self._idle.clear()
        try:
            yield
        finally:
            if not self.hangs:
                self.running -= 1
                self._slots.release()
                self._rest_if_idle()

    def _rest_if_idle(self) -> None:
        if not self.running and not self.waiting:
            self._idle.set()

    async def _misbehave(self, knobs: Knobs, done: int) -> None:
        if knobs.die_after_tokens == done:
            die(f"the mock engine was told to die after {done} tokens of one answer")
        self.hangs = self.hangs or knobs.hang_after_tokens == done
        if self.hangs:
            await asyncio.Event().wait()


def _pause(per_second: float) -> float:
    return 1 / per_second if per_second else 0.0
