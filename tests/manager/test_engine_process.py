"""An engine's life with a real process behind it: its memory comes back, one that stands still is hung."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from manager.events import EngineAsleep, EngineAwake, EngineDied, EngineEnded, EngineEvent, EngineReady, PhaseReached
from manager.running import watch
from manager.running.engine import Engine
from manager.running.run import Run
from manager.runtimes.process import ProcessRuntime
from manager.specification import DeviceKind, EngineSpec
from tests.fakes.kind import ROOT, TinyKind, engines_folder

pytestmark = pytest.mark.anyio

PATIENCE = 60.0
EATEN = 100 * 2**20


@dataclass
class Living:
    """An engine that is ready, as a process."""

    life: Engine
    process: psutil.Process
    posted: "asyncio.Queue[EngineEvent]"

    async def told(self) -> EngineEvent:
        async with asyncio.timeout(PATIENCE):
            while isinstance(event := await self.posted.get(), PhaseReached):
                pass
        return event

    async def died(self) -> EngineDied:
        event = await self.told()
        assert isinstance(event, EngineDied), event
        assert await self.told() == EngineEnded("m", 1, None)
        return event


@asynccontextmanager
async def living(folder: Path, *arguments: str, hang_timeout: float = 60) -> AsyncIterator[Living]:
    runtime = ProcessRuntime(
        folder / "run", engines_folder(folder / "engines"), folder, folder, {"PATH": os.environ["PATH"]}
    )
    await runtime.open()
    spec = EngineSpec(
        model="m",
        engine="tiny",
        container="c",
        port=8000,
        module="tests.fakes.tiny_engine",
        arguments=arguments,
        env={"PYTHONPATH": str(ROOT)},
    )
    posted: asyncio.Queue[EngineEvent] = asyncio.Queue()
    kind = TinyKind(levels=(1, 2), hang_timeout=hang_timeout)
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        life = Engine(Run("m", 1, "c", kind, lambda: spec, DeviceKind.CPU), runtime, client, posted.put_nowait)
        life.begin()
        stage = Living(life, psutil.Process(), posted)
        assert await stage.told() == EngineReady("m", 1, spec)
        record = runtime.records.read("c")
        assert record is not None
        stage.process = engine_of(psutil.Process(record.pid))
        yield stage
        life.end(0)
        life.abandon()
        await runtime.stop("c", 0)


def engine_of(session: psutil.Process) -> psutil.Process:
    """The engine's own process, and not the shell that keeps its exit status."""
    return next((child for child in session.children(recursive=True) if "python" in child.name()), session)


def has_ended(process: psutil.Process) -> bool:
    """Also as a zombie, which it is until somebody asks how it ended."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_asleep_its_memory_is_back_and_awake_it_has_it_again(tmp_path: Path) -> None:
    async with living(tmp_path, "--eat", str(EATEN)) as stage:
        awake = stage.process.memory_info().rss
        for level in (1, 2):
            stage.life.sleep(level)
            assert await stage.told() == EngineAsleep("m", 1, level)
            assert stage.process.memory_info().rss < awake - 0.9 * EATEN
            stage.life.wake()
            assert await stage.told() == EngineAwake("m", 1)
            assert stage.process.memory_info().rss > awake - 0.1 * EATEN


@pytest.mark.parametrize(
    ("flag", "code"), [("--insomnia", "engine_sleep_failed"), ("--oversleep", "engine_wake_failed")]
)
async def test_one_that_cannot_sleep_or_wake_is_gone(tmp_path: Path, flag: str, code: str) -> None:
    async with living(tmp_path, flag) as stage:
        stage.life.sleep(2)
        stage.life.wake()
        if flag == "--oversleep":
            assert await stage.told() == EngineAsleep("m", 1, 2)
        assert (await stage.died()).failure.code == code
        assert has_ended(stage.process)


async def test_a_process_that_stands_still_is_hung_and_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SHORTEST_INTERVAL", 0.2)
    async with living(tmp_path, hang_timeout=2) as stage:
        stage.process.suspend()
        assert (await stage.died()).failure.code == "engine_hung"
        assert has_ended(stage.process)


async def test_a_request_that_sticks_is_a_hang_though_health_and_metrics_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SHORTEST_INTERVAL", 0.2)
    async with (
        living(tmp_path, hang_timeout=2) as stage,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client,
    ):
        port = next(each.laddr.port for each in stage.process.net_connections() if each.status == "LISTEN")
        url = f"http://127.0.0.1:{port}/v1/completions"
        request = asyncio.create_task(client.post(url, json={"prompt": "stick"}))
        died = await stage.died()
        assert died.failure.code == "engine_hung"
        assert "1 requests and made no progress" in died.failure.reason
        with pytest.raises(httpx.TransportError):
            await request


async def test_a_death_in_sleep_is_noticed(tmp_path: Path) -> None:
    async with living(tmp_path) as stage:
        stage.life.sleep(2)
        assert await stage.told() == EngineAsleep("m", 1, 2)
        stage.process.send_signal(signal.SIGKILL)
        assert (await stage.died()).failure.code == "engine_died"
