"""Real processes: their end, their record, and that no stranger is ever touched."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from contract.catalogue import ModelEntry
from manager.engines.kind import Order, Weights
from manager.engines.mock import ENGINE
from manager.runtimes.process import ProcessRuntime
from manager.specification import DeviceKind, EngineError, EngineSpec, Exit, Inside, Placement
from tests.fakes.kind import ROOT, engines_folder

pytestmark = pytest.mark.anyio


def spec(*arguments: str, container: str = "c") -> EngineSpec:
    return EngineSpec(
        model="m",
        engine="tiny",
        container=container,
        port=8000,
        module="tests.fakes.tiny_engine",
        arguments=arguments,
        env={"PYTHONPATH": str(ROOT)},
    )


@asynccontextmanager
async def runtime_in(folder: Path) -> AsyncIterator[ProcessRuntime]:
    engines = folder / "engines"
    runtime = ProcessRuntime(
        folder / "run",
        engines if engines.exists() else engines_folder(engines),
        folder,
        folder,
        {"PATH": os.environ["PATH"]},
    )
    await runtime.open()
    try:
        yield runtime
    finally:
        for found in await runtime.found():
            await runtime.stop(found.container, 0)


async def eventually(check: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(60):
        while not await check():
            await asyncio.sleep(0.02)


async def serving(runtime: ProcessRuntime, engine: EngineSpec) -> None:
    await runtime.start(engine)

    async def serves() -> bool:
        return "serving" in await runtime.tail(engine.container, 5)

    await eventually(serves)


async def is_gone(pid: int) -> bool:
    """Also as a zombie, which it is until the thread that waits for it has had its turn."""
    return not psutil.pid_exists(pid)


def pid_of(runtime: ProcessRuntime, container: str = "c") -> int:
    record = runtime.records.read(container)
    assert record is not None
    return record.pid


async def test_an_engine_runs_as_a_session_of_its_own_with_its_log_in_a_file(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await serving(runtime, spec())
        pid = pid_of(runtime)
        assert os.getsid(pid) == pid != os.getsid(0)
        assert (tmp_path / "run" / "logs" / "c.log").read_text().strip() == "serving"
        assert await runtime.exit_of("c") is None


async def test_a_stopped_engine_leaves_no_process_and_no_record_but_its_log(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await serving(runtime, spec())
        pid = pid_of(runtime)
        await runtime.stop("c", 5)
        await eventually(lambda: is_gone(pid))
        assert list((tmp_path / "run" / "engines").iterdir()) == []
        assert (await runtime.tail("c", 5))[0] == "serving"
        await runtime.stop("c", 5)


async def test_an_engine_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await serving(runtime, spec("--deaf"))
        children = psutil.Process(pid_of(runtime)).children(recursive=True)
        await runtime.stop("c", 0.3)
        assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


async def test_the_exit_status_is_known_also_to_a_manager_that_did_not_start_the_engine(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as first:
        await first.start(spec("--fail", "no memory left"))

        async def ended() -> Exit | None:
            return await first.exit_of("c")

        await eventually(ended)
        async with runtime_in(tmp_path) as second:
            assert await second.exit_of("c") == Exit(3)
            assert await second.tail("c", 5) == ("no memory left",)


async def test_an_engine_killed_by_a_signal_says_so_in_its_status(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await serving(runtime, spec())
        (engine,) = psutil.Process(pid_of(runtime)).children()
        os.kill(engine.pid, signal.SIGKILL)

        async def ended() -> Exit | None:
            return await runtime.exit_of("c")

        await eventually(ended)
        assert await runtime.exit_of("c") == Exit(128 + signal.SIGKILL)


async def test_another_manager_finds_the_engine_and_its_address(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as first:
        engine = spec()
        await serving(first, engine)
        async with runtime_in(tmp_path) as second:
            (found,) = await second.found()
            assert (found.model, found.container, found.running) == ("m", "c", True)
            assert found.spec_hash == engine.hash
            assert await second.endpoint(engine, None) == await first.endpoint(engine, None)


async def test_an_engine_whose_record_cannot_be_written_never_begins(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        (runtime.records.folder / "c.new").mkdir()  # where the record is written before it takes its name
        before = set(psutil.Process().children())
        with pytest.raises(EngineError, match="its record cannot be written"):
            await runtime.start(spec())
        for keeper in set(psutil.Process().children()) - before:
            await eventually(partial(is_gone, keeper.pid))
        assert "serving" not in await runtime.tail("c", 5)


async def test_a_pid_that_the_system_gave_to_somebody_else_is_never_touched(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        stranger = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
        record = {"model": "m", "container": "c", "spec_hash": "x", "port": 1, "pid": stranger.pid, "started": 1.0}
        (runtime.records.folder / "c.json").write_text(json.dumps(record))
        assert [found.running for found in await runtime.found()] == [False]
        await runtime.stop("c", 1)
        assert stranger.returncode is None
        stranger.kill()
        await stranger.wait()


async def test_starting_again_replaces_what_ran_under_the_name(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await serving(runtime, spec())
        first = pid_of(runtime)
        await serving(runtime, spec())
        await eventually(lambda: is_gone(first))
        assert len(await runtime.found()) == 1


async def test_a_log_can_be_followed_while_it_grows(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime, asyncio.timeout(60):
        log = tmp_path / "run" / "logs" / "c.log"
        log.write_bytes(b"one\ntwo\n")
        followed = runtime.logs("c", 1, follow=True)
        assert await anext(followed) == b"two\n"
        with log.open("ab") as more:
            more.write(b"three\n")
        assert await anext(followed) == b"three\n"


async def test_what_cannot_be_started_says_what_to_do(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        with pytest.raises(EngineError, match=r"setup\.sh"):
            await runtime.start(replace(spec(), engine="vllm"))
        with pytest.raises(EngineError, match="needs Docker"):
            await runtime.start(replace(spec(), external=True))


async def test_no_secret_of_the_managers_environment_reaches_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "canary")
    async with runtime_in(tmp_path) as runtime:
        await serving(runtime, spec())
        assert "HF_TOKEN" not in psutil.Process(pid_of(runtime)).environ()


def mock(**args: object) -> EngineSpec:
    """The mock engine as its own file specifies it."""
    entry = ModelEntry.model_validate({"type": "text", "args": args})
    placement = Placement(DeviceKind.CPU, ("cpu",), 2**30, 2**34)
    return ENGINE.specify(Order("m", entry, "c", Weights("", 0), placement, Inside("", "", "")))


def resident(runtime: ProcessRuntime) -> int:
    return sum(child.memory_info().rss for child in psutil.Process(pid_of(runtime)).children(recursive=True))


async def test_the_mock_engine_runs_by_the_managers_own_python_wherever_that_stands(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await serving(runtime, mock())
        (engine,) = psutil.Process(pid_of(runtime)).children()
        assert engine.cmdline()[:3] == [sys.executable, "-m", "images.mock.server"]
        assert engine.cwd() == str(tmp_path / "run" / "engines")


async def test_what_the_mock_engine_has_is_seen_to_rise_and_to_fall_when_it_sleeps(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime, httpx.AsyncClient(trust_env=False, timeout=60) as client:
        spec = mock(**{"resident-mib": 256})
        await serving(runtime, spec)
        url = await runtime.endpoint(spec, None)

        async def answers() -> bool:
            try:
                return (await client.get(f"{url}/health")).is_success
            except httpx.TransportError:
                return False

        await eventually(answers)
        awake = resident(runtime)
        (await client.post(f"{url}/sleep", params={"level": 2})).raise_for_status()
        asleep = resident(runtime)
        (await client.post(f"{url}/wake_up")).raise_for_status()
        assert awake > 2**28 > asleep
        assert min(awake, resident(runtime)) - asleep > 0.9 * 2**28
