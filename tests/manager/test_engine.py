"""One run's own promises: it sleeps and wakes as asked, notices its end or hang, and reports its end once."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from manager.events import (
    EngineAsleep,
    EngineAwake,
    EngineDied,
    EngineEnded,
    EngineEvent,
    EngineReady,
    PhaseReached,
    SleeperFound,
)
from manager.running import slumber, watch
from manager.running.engine import Engine
from manager.running.run import Run
from manager.specification import DeviceKind, EngineError, EngineSpec, Exit, Failure
from tests.fakes.kind import TinyKind
from tests.fakes.sleepy_engine import ScriptedRuntime, SleepyEngine

pytestmark = pytest.mark.anyio

KIND = TinyKind(levels=(1, 2), hang_timeout=60)
SPEC = EngineSpec(model="m", engine="tiny", container="c", port=8000)
PATIENCE = 60


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EXIT_SECONDS", 0.05)
    look_every(monkeypatch, 0.1)


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


# Sleep and waking


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


# The end


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


# Hanging


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


# Adoption


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
