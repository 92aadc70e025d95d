"""One run of an engine that is played by a script, for tests of its life."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from manager.events import (
    EngineAsleep,
    EngineDied,
    EngineEnded,
    EngineEvent,
    EngineReady,
    PhaseReached,
)
from manager.running import watch
from manager.running.engine import Engine
from manager.running.run import Run
from manager.specification import DeviceKind, EngineSpec, Failure
from tests.fakes.kind import TinyKind
from tests.fakes.sleepy_engine import ScriptedRuntime, SleepyEngine

KIND = TinyKind(levels=(1, 2), hang_timeout=60)
SPEC = EngineSpec(model="m", engine="tiny", container="c", port=8000)
PATIENCE = 60


def look_every(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """So often an engine is asked for its work."""
    monkeypatch.setattr(watch, "SHORTEST_INTERVAL", seconds)
    monkeypatch.setattr(watch, "LONGEST_INTERVAL", seconds)


@dataclass
class Stage:
    """One run on a scripted engine, and what it posts."""

    life: Engine
    engine: SleepyEngine
    runtime: ScriptedRuntime
    posted: "asyncio.Queue[EngineEvent]"

    async def told(self) -> EngineEvent:
        """The next event but phases."""
        async with asyncio.timeout(PATIENCE):
            while isinstance(event := await self.posted.get(), PhaseReached):
                pass
        return event

    async def ready(self) -> None:
        self.life.begin()
        assert await self.told() == EngineReady("m", 7, SPEC)

    async def asleep(self, level: int = 1) -> None:
        await self.ready()
        self.life.sleep(level)
        assert await self.told() == EngineAsleep("m", 7, level)

    async def a_while(self) -> None:
        """Until its exit was looked for some times more."""
        until = self.runtime.exits_looked_for + 10
        async with asyncio.timeout(PATIENCE):
            while self.runtime.exits_looked_for < until:
                await asyncio.sleep(0.05)

    async def died(self) -> Failure:
        """Why it died; its end follows, and then nothing."""
        event = await self.told()
        assert isinstance(event, EngineDied), event
        assert await self.told() == EngineEnded("m", 7, None)
        assert self.posted.empty()
        return event.failure


@asynccontextmanager
async def staged(
    *,
    kind: TinyKind = KIND,
    adopted: bool = False,
    engine: SleepyEngine | None = None,
    prepare: Callable[[], EngineSpec] = lambda: SPEC,
) -> AsyncIterator[Stage]:
    engine = engine or SleepyEngine()
    runtime = ScriptedRuntime(engine)
    posted: asyncio.Queue[EngineEvent] = asyncio.Queue()
    async with engine.server, httpx.AsyncClient(trust_env=False, timeout=5) as client:
        run = Run("m", 7, "c", kind, prepare, DeviceKind.CPU, adopted)
        life = Engine(run, runtime, client, posted.put_nowait)
        yield Stage(life, engine, runtime, posted)
        life.abandon()
