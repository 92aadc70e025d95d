"""A run that sleeps and wakes as it is asked, by the engine's own sequence."""

import json

import pytest

from manager.events import EngineAsleep, EngineAwake
from manager.running import slumber
from manager.specification import Failure
from tests.fakes.kind import TinyKind
from tests.fakes.sleepy_engine import SleepyEngine
from tests.manager.stage import staged

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("short_looks")]


async def test_it_sleeps_and_wakes_by_the_engines_own_sequence_and_proves_itself_again() -> None:
    async with staged() as stage:
        await stage.asleep(level=2)
        assert stage.engine.calls == ["/v1/completions", "/sleep?level=2", "/is_sleeping"]
        stage.engine.calls.clear()
        stage.life.wake()
        assert await stage.told() == EngineAwake("m", 7)
        assert stage.engine.calls == ["/wake_up", "/reload", "/is_sleeping", "/v1/completions"]
        assert json.loads(stage.engine.bodies[-3]) == {"of": "weights"}


async def test_it_sleeps_and_wakes_as_often_as_it_is_asked() -> None:
    async with staged() as stage:
        await stage.asleep(level=1)
        for level in (2, 1, 2):
            stage.life.wake()
            assert await stage.told() == EngineAwake("m", 7)
            stage.life.sleep(level)
            assert await stage.told() == EngineAsleep("m", 7, level)
        assert stage.runtime.done == ["start c"]
        await stage.a_while()
        assert stage.posted.empty(), "it woke unasked"


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        (SleepyEngine(fails={"/sleep"}), "/sleep was answered with status 500: no memory"),
        (SleepyEngine(fails={"/is_sleeping"}), "/is_sleeping was answered with status 500: no memory"),
        (SleepyEngine(sleepless=True), "it was put to sleep and is awake all the same"),
    ],
)
async def test_an_engine_that_does_not_fall_asleep_is_ended_with_its_own_words(
    engine: SleepyEngine, reason: str
) -> None:
    async with staged(engine=engine) as stage:
        await stage.ready()
        stage.life.sleep(1)
        assert await stage.died() == Failure("engine_sleep_failed", reason, ("its last words",))
        assert stage.runtime.done == ["start c", "stop c within 0 s"]


async def test_a_level_that_the_engine_does_not_have_is_a_failed_sleep() -> None:
    async with staged(kind=TinyKind(levels=(2,))) as stage:
        await stage.ready()
        stage.life.sleep(1)
        assert (await stage.died()).reason == "tiny has no sleep of level 1 on cpu"


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ("/wake_up", "/wake_up was answered with status 500: no memory"),
        ("/reload", "/reload was answered with status 500: no memory"),
        ("/v1/completions", "the probe was answered with status 500: no memory"),
    ],
)
async def test_an_engine_that_does_not_serve_after_waking_is_ended_with_its_own_words(fails: str, reason: str) -> None:
    async with staged() as stage:
        await stage.asleep()
        stage.engine.fails.add(fails)
        stage.life.wake()
        assert await stage.died() == Failure("engine_wake_failed", reason, ("its last words",))


async def test_an_engine_that_sleeps_on_is_ended() -> None:
    async with staged() as stage:
        await stage.asleep()
        stage.engine.sleepless = True  # here: whatever is called, the state stays as it is
        stage.life.wake()
        assert (await stage.died()).reason == "it was woken and sleeps all the same"


async def test_falling_asleep_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slumber, "SLEEP_DEADLINE", 0.2)
    async with staged(engine=SleepyEngine(hangs={"/sleep"})) as stage:
        await stage.ready()
        stage.life.sleep(1)
        assert (await stage.died()).reason == "not asleep within 0.2 s"


async def test_waking_has_the_deadline_of_a_start() -> None:
    async with staged(kind=TinyKind(levels=(1,), start_deadline=2), engine=SleepyEngine(hangs={"/reload"})) as stage:
        await stage.asleep()
        stage.life.wake()
        failure = await stage.died()
        assert (failure.code, failure.reason) == ("engine_wake_failed", "not awake within 2 s")
