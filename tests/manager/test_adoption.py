"""A manager that finds the engines of an earlier one, in time and in spite of those that do not end."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from manager.app import make_manager
from manager.settings import ManagerSettings
from manager.specification import EngineError, Found
from tests.fakes.runtime import FakeRuntime
from tests.manager.bench import Bench, fixed

pytestmark = pytest.mark.anyio


async def test_nothing_is_evicted_right_after_an_adoption_that_took_long() -> None:
    bench = Bench(fixed("a"), fixed("b"))
    supervisor = bench.supervisor
    supervisor.policy = replace(supervisor.policy, settle=10)
    bench.adopt("a")
    bench.now += 60  # others were ended meanwhile, one by one
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0)
    bench.ready("a")
    bench.open("b")
    assert bench.effects.ended == []
    bench.pass_time(10)
    assert bench.effects.ended == ["a"]
    running.cancel()
    await asyncio.wait({running})


class Stubborn(FakeRuntime):
    """Has an engine that nobody wants and that does not end."""

    async def found(self) -> tuple[Found, ...]:
        return (Found("unknown", "c-unknown", "hash", running=True),)

    async def stop(self, container: str, grace: float) -> None:
        raise EngineError("docker_failed", "Docker: 500")


async def test_an_engine_of_an_earlier_manager_that_does_not_end_keeps_no_manager_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "models.json").write_text("{}")
    settings = ManagerSettings(
        catalogue=tmp_path / "models.json",
        models_dir=tmp_path,
        hub_dir=tmp_path / "hub",
        run_dir=tmp_path / "run",
        token_file=tmp_path / "run" / "token",
    )
    manager = make_manager(settings, Stubborn())
    await manager.adopt()
    await manager.effects.client.aclose()
    assert "c-unknown is not ended: Docker: 500" in caplog.text
