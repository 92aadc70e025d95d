"""The end of a run: asked for, hurried, or its own; it wins over whatever else goes on."""

import asyncio

import pytest

from manager.events import EngineAsleep, EngineAwake, EngineEnded
from manager.specification import Exit, Failure
from tests.fakes.sleepy_engine import SleepyEngine
from tests.manager.stage import PATIENCE, staged

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("short_looks")]


@pytest.mark.parametrize("path", ["/sleep", "/reload"])
async def test_the_end_wins_over_sleep_and_waking_whose_call_is_over_before_the_traces_go(path: str) -> None:
    async with staged(engine=SleepyEngine(hangs={path})) as stage:
        if path == "/sleep":
            await stage.ready()
            stage.life.sleep(1)
            await stage.engine.until_called("/sleep?level=1")
        else:
            await stage.asleep()
            stage.life.wake()
            await stage.engine.until_called(path)
        stage.life.end(30)
        assert await stage.told() == EngineEnded("m", 7, None)
        assert stage.posted.empty()
        assert stage.runtime.done[-1] == f"stop c within 30 s after {path} was given up"


async def test_an_end_that_is_hurried_has_no_grace_any_more() -> None:
    async with staged() as stage:
        await stage.ready()
        stage.life.end(30)
        await stage.life.hurry()
        assert await stage.told() == EngineEnded("m", 7, None)
        assert stage.runtime.done[-2:] == ["kill c", "stop c within 0 s"]


async def test_what_the_start_had_begun_is_over_before_the_traces_go() -> None:
    async with staged() as stage:
        stage.runtime.start_hangs = True
        stage.life.begin()
        async with asyncio.timeout(PATIENCE):
            while not stage.runtime.done:
                await asyncio.sleep(0.01)
        stage.life.end(30)
        assert await stage.told() == EngineEnded("m", 7, None)
        assert stage.runtime.done == ["start c", "start called off", "stop c within 30 s"]


async def test_an_engine_that_sleeps_can_be_ended() -> None:
    async with staged() as stage:
        await stage.asleep()
        stage.life.end(30)
        assert await stage.told() == EngineEnded("m", 7, None)


async def test_an_exit_is_noticed_while_it_serves_and_while_it_sleeps() -> None:
    for asleep in (False, True):
        async with staged() as stage:
            await (stage.asleep() if asleep else stage.ready())
            stage.runtime.exit = Exit(1)
            reason = "the engine exited with status 1"
            assert await stage.died() == Failure("engine_died", reason, ("its last words",))


@pytest.mark.parametrize(
    ("hangs", "code", "when"),
    [("/sleep", "engine_sleep_failed", "on its way to sleep"), ("/wake_up", "engine_wake_failed", "while waking")],
)
async def test_an_exit_on_the_way_is_the_reason_why_that_failed(hangs: str, code: str, when: str) -> None:
    async with staged(engine=SleepyEngine(hangs={hangs})) as stage:
        await stage.ready()
        stage.life.sleep(1)
        stage.life.wake()
        await stage.engine.until_called("/sleep?level=1" if hangs == "/sleep" else hangs)
        stage.runtime.exit = Exit(9)
        if hangs == "/wake_up":
            assert await stage.told() == EngineAsleep("m", 7, 1)
        assert await stage.died() == Failure(code, f"the engine exited with status 9 {when}", ("its last words",))


async def test_a_broken_connection_gives_the_exit_a_moment_to_be_the_reason() -> None:
    async with staged(engine=SleepyEngine(hangs={"/sleep"})) as stage:
        await stage.ready()
        stage.life.sleep(1)
        await stage.engine.until_called("/sleep?level=1")
        await stage.engine.server.stop()
        stage.runtime.exit = Exit(139)
        assert (await stage.died()).reason == "the engine exited with status 139 on its way to sleep"


async def test_a_runtime_that_does_not_answer_says_nothing_about_the_engine() -> None:
    async with staged() as stage:
        await stage.asleep()
        stage.runtime.broken = True
        stage.life.wake()
        assert await stage.told() == EngineAwake("m", 7)
        stage.runtime.broken, stage.runtime.exit = False, Exit(1)
        assert (await stage.died()).code == "engine_died"
