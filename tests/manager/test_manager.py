"""A whole manager on a real socket, with real processes behind it: leases, loads, deaths, adoption."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from fastapi.routing import APIRoute

from contract.catalogue import Catalogue
from contract.lease import Failed, LeaseEvent, Ready, Starting, decode_event
from contract.states import ModelState, ModelStatus
from manager.__main__ import listening_socket, serve_on
from manager.app import Manager, make_manager
from manager.events import ShutdownWanted
from manager.routes import router
from manager.runtimes.process import ProcessRuntime
from manager.settings import ManagerSettings
from tests.fakes.kind import TinyKind, engines_folder

pytestmark = pytest.mark.anyio

PATIENCE = 60.0

MODELS: dict[str, dict[str, object]] = {
    "good": {"type": "text", "source": "./m", "memory": "1GiB", "default_for": "text"},
    "bad": {"type": "text", "source": "./m", "memory": "1GiB", "args": {"fail": "CUDA out of memory"}},
    "slow": {"type": "text", "source": "./m", "memory": "1GiB", "args": {"pause": 1.0}},
    "huge": {"type": "text", "source": "./m", "requires": {"gpus": 64}},
    "clip": {"type": "video", "source": "./m"},
}


def settings_in(folder: Path) -> ManagerSettings:
    (folder / "m").mkdir(exist_ok=True)
    (folder / "m" / "model.safetensors").write_bytes(b"weights")
    (folder / "models.json").write_text(json.dumps(MODELS))
    if not (folder / "engines").exists():
        engines_folder(folder / "engines")
    return ManagerSettings(
        manager_port=0,
        instance="test",
        catalogue=folder / "models.json",
        models_dir=folder,
        hub_dir=folder / "hub",
        run_dir=folder / "run",
        engines_dir=folder / "engines",
        token_file=folder / "run" / "token",
        settle=0,
        shutdown_drain=1,
    )


class Client:
    """The manager's verbs, as a proxy calls them."""

    def __init__(self, http: httpx.AsyncClient, manager: Manager) -> None:
        self.http = http
        self.manager = manager

    async def status(self, name: str) -> ModelStatus:
        return ModelStatus.model_validate_json((await self.http.get(f"/models/{name}")).content)

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[AsyncIterator[LeaseEvent]]:
        async with self.http.stream("POST", f"/models/{name}/lease", headers={"x-roundhouse-peer": "p"}) as answer:
            assert answer.status_code == 200
            yield (decode_event(line.encode()) async for line in answer.aiter_lines())

    async def until(self, name: str, is_so: Callable[[ModelStatus], bool]) -> ModelStatus:
        async with asyncio.timeout(PATIENCE):
            while not is_so(status := await self.status(name)):
                await asyncio.sleep(0.02)
            return status


@asynccontextmanager
async def running(folder: Path, *, leave_engines: bool = False) -> AsyncIterator[Client]:
    """A manager until the end of the block; then SIGTERM's way out, or as if it was killed."""
    settings = settings_in(folder)
    runtime = ProcessRuntime(settings.run_dir, settings.engines_dir, folder, folder, {"PATH": os.environ["PATH"]})
    await runtime.open()
    manager = make_manager(settings, runtime, {"tiny": TinyKind()})
    listener = listening_socket(settings)
    serving = asyncio.create_task(serve_on(manager, listener))
    token = settings.token_file.read_text()
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=PATIENCE,
        ) as http:
            yield Client(http, manager)
    finally:
        if leave_engines:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            for model in manager.control.supervisor.models.values():
                if model.engine is not None:
                    model.engine.abandon()
        else:
            manager.control.post(ShutdownWanted())
            await asyncio.wait_for(serving, PATIENCE)


async def first(events: AsyncIterator[LeaseEvent], kind: type[LeaseEvent]) -> LeaseEvent:
    async with asyncio.timeout(PATIENCE):
        async for event in events:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the stream ended without {kind}")


async def test_a_lease_starts_the_engine_tells_its_phases_and_its_endpoint(tmp_path: Path) -> None:
    async with running(tmp_path) as client, client.lease("good") as events:
        assert isinstance(await anext(events), Starting)
        ready = await first(events, Ready)
        assert isinstance(ready, Ready)
        async with httpx.AsyncClient(trust_env=False) as engine:
            assert (await engine.get(ready.endpoint + "/health")).status_code == 200
        assert (await client.status("good")).leases == 1


async def test_eight_first_leases_at_once_start_one_engine(tmp_path: Path) -> None:
    async def endpoint(client: Client) -> LeaseEvent:
        async with client.lease("good") as events:
            return await first(events, Ready)

    async with running(tmp_path) as client:
        answers = await asyncio.gather(*(endpoint(client) for _ in range(8)))
        assert len(set(answers)) == 1
        assert client.manager.control.supervisor.models["good"].run == 1


async def test_a_first_caller_that_gives_up_does_not_stop_the_load(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        async with client.lease("slow") as events:
            await anext(events)
        await client.until("slow", lambda status: status.leases == 0)
        assert (await client.until("slow", lambda status: status.state is ModelState.READY)).leases == 0


async def test_a_failed_start_is_told_with_the_engines_own_last_words(tmp_path: Path) -> None:
    async with running(tmp_path) as client, client.lease("bad") as events:
        failed = await first(events, Failed)
        assert isinstance(failed, Failed)
        assert failed.code == "engine_start_failed"
        assert "status 3" in failed.reason
        assert failed.log_tail == ("CUDA out of memory",)
        assert [event async for event in events] == [], "the stream is over"


async def test_an_engine_that_dies_is_told_and_started_again_for_the_next_lease(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        async with client.lease("good") as events:
            await first(events, Ready)
            kill_engine(client, "test-good")
            failed = await first(events, Failed)
            assert isinstance(failed, Failed)
            assert failed.code == "engine_died"
        async with client.lease("good") as events:
            assert isinstance(await first(events, Ready), Ready)


def kill_engine(client: Client, container: str, number: signal.Signals = signal.SIGKILL) -> None:
    runtime = client.manager.control.runtime
    assert isinstance(runtime, ProcessRuntime)
    record = runtime.records.read(container)
    assert record is not None
    for child in psutil.Process(record.pid).children():
        os.kill(child.pid, number)


async def test_a_manager_that_was_killed_is_followed_by_one_that_adopts_the_engine(tmp_path: Path) -> None:
    async with running(tmp_path, leave_engines=True) as client, client.lease("good") as events:
        before = await first(events, Ready)
    async with running(tmp_path) as client, client.lease("good") as events:
        assert await first(events, Ready) == before


async def test_an_engine_that_dies_while_it_is_adopted_is_started_anew_for_who_waits(tmp_path: Path) -> None:
    async with running(tmp_path, leave_engines=True) as client, client.lease("good") as events:
        before = await first(events, Ready)
        kill_engine(client, "test-good", signal.SIGSTOP)  # one that does not answer is not adopted yet
    async with running(tmp_path) as client, client.lease("good") as events:
        adopting = await first(events, Starting)
        assert isinstance(adopting, Starting)
        assert adopting.phase == "adopting"
        kill_engine(client, "test-good")
        assert await first(events, Ready) != before


async def test_an_engine_whose_specification_changed_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, leave_engines=True) as client, client.lease("good") as events:
        before = await first(events, Ready)
    monkeypatch.setitem(MODELS["good"], "args", {"pause": 0.01})
    async with running(tmp_path) as client, client.lease("good") as events:
        assert await first(events, Ready) != before
        assert isinstance(client.manager.control.runtime, ProcessRuntime)
        assert len(await client.manager.control.runtime.found()) == 1


async def test_sigterms_way_out_leaves_no_engine(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        async with client.lease("good") as events:
            await first(events, Ready)
        runtime = client.manager.control.runtime
    assert await runtime.found() == ()


async def test_load_and_unload_are_wishes_that_the_manager_carries_out(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        assert (await client.http.post("/models/good/load")).status_code == 202
        await client.until("good", lambda status: status.state is ModelState.READY)
        assert (await client.http.post("/models/good/unload")).status_code == 202
        await client.until("good", lambda status: status.state is ModelState.STOPPED)


async def test_a_model_that_the_box_cannot_run_says_so_everywhere(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        status = await client.status("huge")
        assert status.state is ModelState.UNAVAILABLE
        assert status.reason is not None
        assert "64 NVIDIA GPUs" in status.reason
        refused = await client.http.post("/models/huge/load")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "model_unavailable")
        async with client.lease("huge") as events:
            failed = await first(events, Failed)
            assert isinstance(failed, Failed)
            assert failed.code == "model_unavailable"
        assert "no engine here serves" in str((await client.status("clip")).reason)


async def test_the_event_stream_begins_with_the_catalogue_and_all_models(tmp_path: Path) -> None:
    async with running(tmp_path) as client, client.http.stream("GET", "/events") as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "event: catalogue"
        entries = json.loads((await anext(lines)).removeprefix("data: "))
        assert set(Catalogue(models=entries).models) == set(MODELS)
        assert await anext(lines) == ""
        assert await anext(lines) == "event: models"
        await client.http.post("/models/good/load")
        async with asyncio.timeout(PATIENCE):
            async for line in lines:
                if line.startswith("data: ") and '"state":"ready"' in line:
                    return


async def test_the_log_of_an_engine_can_be_read(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        async with client.lease("good") as events:
            await first(events, Ready)
        log = await client.http.get("/models/good/logs", params={"lines": 10})
        assert "serving" in log.text


async def test_everything_but_health_asks_for_the_token(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        routes = [route for route in router.routes if isinstance(route, APIRoute)]
        paths = [(method, route.path) for route in routes for method in sorted(route.methods or ())]
        assert ("POST", "/models/{name}/lease") in paths
        for method, path in paths:
            answer = await client.http.request(method, path, headers={"authorization": "Bearer wrong"})
            assert answer.status_code == (200 if path == "/health" else 401), path
            if answer.status_code != 200:
                assert answer.json()["error"]["code"] == "invalid_token"


async def test_what_the_framework_refuses_has_the_shape_of_openai_too(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        for method, path, status in [
            ("GET", "/nope", 404),
            ("GET", "/models/nope", 404),
            ("DELETE", "/models", 405),
            ("GET", "/models/good/logs?lines=x", 400),
            ("POST", "/models/nope/lease", 404),
        ]:
            answer = await client.http.request(method, path)
            assert answer.status_code == status, path
            assert set(answer.json()["error"]) == {"message", "type", "param", "code", "origin"}


async def test_the_token_is_made_once_and_readable_by_owner_and_group_alone(tmp_path: Path) -> None:
    async with running(tmp_path):
        token = (tmp_path / "run" / "token").read_text()
    async with running(tmp_path):
        assert (tmp_path / "run" / "token").read_text() == token
    assert (tmp_path / "run" / "token").stat().st_mode & 0o007 == 0
