"""One run's own promises: it starts or is adopted, proves itself, and reports its end once."""

import asyncio
from collections.abc import Callable

import pytest

from manager.events import EngineAwake, EngineEnded, SleeperFound
from manager.specification import EngineError, EngineSpec, Exit, Failure
from tests.fakes.sleepy_engine import SleepyEngine
from tests.manager.stage import staged

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("short_looks")]


def failing_with(error: Exception) -> Callable[[], EngineSpec]:
    def prepare() -> EngineSpec:
        raise error

    return prepare


@pytest.mark.parametrize(
    "error", [EngineError("weights_missing", "not here"), PermissionError("the weights cannot be read")]
)
async def test_a_run_reports_its_end_whatever_goes_wrong(error: Exception) -> None:
    async with staged(prepare=failing_with(error)) as stage:
        stage.life.begin()
        ended = await stage.told()
        assert isinstance(ended, EngineEnded)
        assert ended.failure is not None
        assert str(error) in ended.failure.reason


async def test_a_run_that_has_ended_does_nothing_any_more() -> None:
    async with staged(prepare=failing_with(EngineError("weights_missing", "not here"))) as stage:
        stage.life.begin()
        await stage.told()
        stage.life.end(0)
        stage.life.sleep(1)
        stage.life.wake()
        await asyncio.sleep(0)
        assert stage.runtime.done == ["stop c within 0 s"], "the name may be the next run's by now"
        assert stage.posted.empty()


async def test_it_starts_the_engine_proves_it_and_reports_phases() -> None:
    async with staged() as stage:
        await stage.ready()
        assert stage.runtime.done == ["start c"]
        assert stage.engine.calls == ["/v1/completions"]


async def test_a_probe_that_fails_is_a_failed_start_in_the_engines_words() -> None:
    async with staged(engine=SleepyEngine(fails={"/v1/completions"})) as stage:
        stage.life.begin()
        reason = "the probe was answered with status 500: no memory"
        assert await stage.told() == EngineEnded("m", 7, Failure("engine_start_failed", reason, ("its last words",)))


async def test_an_engine_that_exits_during_its_probe_failed_to_start_because_it_exited() -> None:
    async with staged(engine=SleepyEngine(hangs={"/v1/completions"})) as stage:
        stage.life.begin()
        await stage.engine.until_called("/v1/completions")
        stage.runtime.exit = Exit(137, out_of_memory=True)
        ended = await stage.told()
        assert isinstance(ended, EngineEnded)
        assert ended.failure is not None
        assert ended.failure.code == "engine_start_failed"
        assert ended.failure.reason == "the engine was killed: out of host memory while starting"


async def test_an_adopted_engine_is_proven_and_not_started() -> None:
    async with staged(adopted=True) as stage:
        await stage.ready()
        assert stage.runtime.done == []
        assert stage.engine.calls == ["/is_sleeping", "/v1/completions"]


async def test_an_engine_that_sleeps_is_adopted_asleep_and_woken_as_from_its_deepest_sleep() -> None:
    async with staged(adopted=True, engine=SleepyEngine(asleep=True)) as stage:
        stage.life.begin()
        found = await stage.told()
        assert isinstance(found, SleeperFound)
        assert found.level.level == 2
        assert stage.runtime.done == []
        stage.life.wake()
        assert isinstance(await stage.told(), EngineAwake)


async def test_a_run_says_what_it_is() -> None:
    async with staged() as stage:
        assert repr(stage.life) == "<Engine m, run 7, in c>"
