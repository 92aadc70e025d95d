"""A run whose engine hangs is ended; one that works, sleeps or has nothing to do is not."""

import time

import pytest

from manager.events import EngineAsleep, EngineAwake
from manager.specification import Exit
from tests.fakes.kind import TinyKind
from tests.fakes.sleepy_engine import SleepyEngine
from tests.manager.stage import look_every, staged

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("short_looks")]


async def test_an_engine_with_work_and_no_progress_is_hung_and_ended_without_grace() -> None:
    async with staged(kind=TinyKind(hang_timeout=0.5), engine=SleepyEngine(running=3)) as stage:
        await stage.ready()
        failure = await stage.died()
        assert failure.code == "engine_hung"
        assert failure.reason.startswith("the engine hangs: it has 3 requests and made no progress for ")
        assert stage.runtime.done == ["start c", "stop c within 0 s"]


async def test_an_engine_that_no_longer_answers_is_hung() -> None:
    async with staged(kind=TinyKind(hang_timeout=0.5)) as stage:
        await stage.ready()
        stage.engine.hangs.add("/metrics")
        failure = await stage.died()
        assert failure.code == "engine_hung"
        assert failure.reason.startswith("the engine hangs: it has not answered /metrics for ")


async def test_an_engine_that_works_or_has_no_work_is_not_hung() -> None:
    for engine in (SleepyEngine(running=3, tokens_a_scrape=1), SleepyEngine(running=0)):
        async with staged(kind=TinyKind(hang_timeout=1.5), engine=engine) as stage:
            await stage.ready()
            await engine.until_scraped(25)
            assert stage.posted.empty()


async def test_an_engine_without_such_metrics_is_watched_for_its_exit_alone() -> None:
    async with staged(kind=TinyKind(hang_timeout=0.5), engine=SleepyEngine(fails={"/metrics"})) as stage:
        await stage.ready()
        await stage.engine.until_scraped(15)
        assert stage.posted.empty()
        stage.runtime.exit = Exit(1)
        assert (await stage.died()).code == "engine_died"


async def test_an_exit_is_noticed_while_a_look_at_its_work_waits_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    look_every(monkeypatch, 30)
    async with staged() as stage:
        await stage.ready()
        stage.engine.hangs.add("/metrics")
        await stage.engine.until_scraped(1)
        since = time.monotonic()
        stage.runtime.exit = Exit(1)
        assert (await stage.died()).code == "engine_died"
        assert time.monotonic() - since < 15


async def test_who_sleeps_is_not_asked_for_its_work_and_who_woke_is_again() -> None:
    async with staged(kind=TinyKind(levels=(1,), hang_timeout=0.5), engine=SleepyEngine(running=3)) as stage:
        await stage.asleep()
        scraped = stage.engine.scraped
        await stage.a_while()
        assert stage.engine.scraped == scraped
        stage.life.wake()
        assert await stage.told() == EngineAwake("m", 7)
        assert (await stage.died()).code == "engine_hung"


async def test_after_waking_what_was_before_is_not_held_against_it() -> None:
    async with staged(engine=SleepyEngine(running=3)) as stage:
        await stage.ready()
        await stage.engine.until_scraped(15)
        assert "without progress for 0 s" not in repr(stage.life.watch.watchdog)
        stage.life.sleep(1)
        stage.life.wake()
        assert await stage.told() == EngineAsleep("m", 7, 1)
        assert await stage.told() == EngineAwake("m", 7)
        await stage.engine.until_scraped(1)
        assert repr(stage.life.watch.watchdog) == "<Watchdog: silent for 0 s, without progress for 0 s>"
