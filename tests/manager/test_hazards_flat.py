"""What a manager has after hundreds of loads and thousands of leases is what it had after the first ones."""

import asyncio
import gc
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil
import pytest

from contract.catalogue_file import parse_catalogue
from contract.lease import Ready, decode_event
from contract.states import ModelState
from manager.__main__ import listening_socket, serve_on
from manager.app import Manager, make_app, make_effects, make_supervisor
from manager.assembly import Box, fix_models
from manager.box.sight import Sight
from manager.broadcast import Broadcast
from manager.control import Control
from manager.engines import ENGINES
from manager.events import Event, ShutdownWanted
from manager.news import News
from manager.runtimes.process import ProcessRuntime
from manager.runtimes.runtime import Runtime
from manager.settings import ManagerSettings
from manager.supervision.catalogue_watch import CatalogueWatch
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.anyio

MIB = 2**20
CYCLES, LEASES = 300, 2000
AT_ONCE = 20
MODEL = {"type": "text", "engine": "mock", "memory": "1GiB"}


@dataclass(frozen=True)
class Figures:
    """What this process has: the manager in it, and whoever asks it."""

    tasks: int
    threads: int
    files: int
    objects: int
    resident: int


@dataclass
class Whole:
    """A manager on a socket; `runtime` is the place where its engines run, unless that is a real one."""

    manager: Manager
    runtime: FakeRuntime
    http: httpx.AsyncClient

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_so():
                await asyncio.sleep(0.001)

    def is_in(self, state: ModelState) -> bool:
        return self.manager.control.supervisor.models["m"].state is state

    async def cycle(self) -> None:
        """A load, a lease, an unload."""
        (await self.http.post("/models/m/load")).raise_for_status()
        await self.lease()
        (await self.http.post("/models/m/unload")).raise_for_status()
        await self.until(lambda: self.is_in(ModelState.STOPPED))

    async def lease(self) -> None:
        """Until it is ready, and then dropped."""
        async with self.http.stream("POST", "/models/m/lease", headers={"x-roundhouse-peer": "p"}) as answer:
            async for line in answer.aiter_lines():
                if isinstance(decode_event(line.encode()), Ready):
                    return

    async def leases(self, count: int) -> None:
        for _ in range(count // AT_ONCE):
            await asyncio.gather(*(self.lease() for _ in range(AT_ONCE)))

    async def figures(self) -> Figures:
        """When all that was dropped has been noticed."""
        await self.until(lambda: not self.manager.control.supervisor.models["m"].leases)
        self.runtime.calls.clear()
        process = psutil.Process()
        await self.until(lambda: threading.active_count() < 60)
        await asyncio.sleep(0.2)
        gc.collect()
        return Figures(
            len(asyncio.all_tasks()),
            threading.active_count(),
            process.num_fds(),
            len(gc.get_objects()),
            process.memory_info().rss,
        )


@asynccontextmanager
async def whole(folder: Path, real: Runtime | None = None) -> AsyncIterator[Whole]:
    file = folder / "models.json"
    file.write_text(json.dumps({"m": MODEL}))
    settings = ManagerSettings(
        manager_port=0, catalogue=file, run_dir=folder, hub_dir=folder, settle=0, memory_reserve=0
    )
    runtime, events = FakeRuntime(), asyncio.Queue[Event]()
    sight = Sight(events.put_nowait, time.monotonic, see=runtime.box.see, interval=0.05, pause=0.001)
    made = make_effects(settings, real or runtime, events)
    await made.client.aclose()
    transport = runtime.transport if real is None else None
    effects = replace(made, client=httpx.AsyncClient(transport=transport, trust_env=False, timeout=5), sight=sight)
    box = Box(settings, ENGINES, runtime.box.see(), effects.weights)
    catalogue = parse_catalogue(file.read_bytes())
    supervisor = make_supervisor(settings, effects, box, News(catalogue, Broadcast()), events)
    supervisor.take(fix_models(catalogue, box))
    control = Control(supervisor, real or runtime, supervisor.news.changes, events.put_nowait)
    watch = CatalogueWatch(file, lambda changed: fix_models(changed, box), events.put_nowait, 1)
    manager = Manager(make_app(control, "token"), control, effects, watch)
    listener = listening_socket(settings)
    serving = asyncio.create_task(serve_on(manager, listener))
    address, headers = f"http://127.0.0.1:{listener.getsockname()[1]}", {"authorization": "Bearer token"}
    async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=30) as http:
        yield Whole(manager, runtime, http)
    control.post(ShutdownWanted())
    await asyncio.wait_for(serving, 30)


async def test_after_hundreds_of_loads_and_thousands_of_leases_a_manager_has_what_it_had_before(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as it, it.http.stream("GET", "/events") as news:
        reading = asyncio.create_task(read(news))
        for _ in range(CYCLES // 4):
            await it.cycle()
        await it.lease()
        await it.leases(LEASES // 4)
        before = await it.figures()
        await it.leases(LEASES * 3 // 4)
        (await it.http.post("/models/m/unload")).raise_for_status()
        for _ in range(CYCLES * 3 // 4):
            await it.cycle()
        await it.lease()
        after = await it.figures()
        reading.cancel()
    assert after.tasks <= before.tasks + 3
    assert after.threads <= before.threads + 3
    assert after.files <= before.files + 3
    assert after.objects <= before.objects + 500
    assert after.resident <= before.resident + 8 * MIB
    assert it.runtime.collisions == []


async def test_engines_that_come_and_go_leave_no_process_file_or_thread(tmp_path: Path) -> None:
    (tmp_path / "engines").mkdir()
    of_other_tests = set(psutil.Process().children(recursive=True))
    runtime = ProcessRuntime(tmp_path / "run", tmp_path, tmp_path, tmp_path, {"PATH": os.environ["PATH"]})
    await runtime.open()
    async with whole(tmp_path, runtime) as it:
        await it.cycle()
        before = await it.figures()
        for _ in range(4):
            await it.cycle()
        after = await it.figures()
        assert set(psutil.Process().children(recursive=True)) <= of_other_tests
        assert list(runtime.records.folder.iterdir()) == []
    assert after.tasks <= before.tasks + 3
    assert after.threads <= before.threads + 3
    assert after.files <= before.files + 3


async def read(news: httpx.Response) -> None:
    async for _ in news.aiter_lines():
        pass
