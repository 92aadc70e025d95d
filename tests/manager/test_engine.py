"""One run's own promises: it always reports its end, and only once."""

import asyncio
from typing import Any, cast

import httpx
import pytest

from manager.engine import Engine, Run
from manager.events import EngineEnded, EngineEvent
from manager.runtimes.runtime import Runtime
from manager.specification import EngineError, EngineSpec
from tests.fakes.kind import TinyKind

pytestmark = pytest.mark.anyio


class StoppedRuntime:
    """Counts what it is asked to stop."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    async def stop(self, container: str, grace: float) -> None:
        self.stopped.append(container)

    async def tail(self, container: str, lines: int) -> tuple[str, ...]:
        return ()


def failing_with(error: Exception, posted: asyncio.Queue[EngineEvent]) -> tuple[Engine, StoppedRuntime]:
    """An engine whose preparation raises."""

    def prepare() -> EngineSpec:
        raise error

    async def fetch(_: object) -> None:
        """Nothing to fetch."""

    runtime = StoppedRuntime()
    run = Run("m", 1, "c", TinyKind(), fetch, prepare)
    return Engine(run, cast(Runtime, runtime), cast(httpx.AsyncClient, cast(Any, None)), posted.put_nowait), runtime


@pytest.mark.parametrize(
    "error", [EngineError("weights_missing", "not here"), PermissionError("the weights cannot be read")]
)
async def test_a_run_reports_its_end_whatever_goes_wrong(error: Exception) -> None:
    posted: asyncio.Queue[EngineEvent] = asyncio.Queue()
    engine, _ = failing_with(error, posted)
    engine.begin()
    ended = await asyncio.wait_for(posted.get(), 60)
    assert isinstance(ended, EngineEnded)
    assert ended.failure is not None
    assert str(error) in ended.failure.reason


async def test_a_run_that_has_ended_is_not_ended_again() -> None:
    posted: asyncio.Queue[EngineEvent] = asyncio.Queue()
    engine, runtime = failing_with(EngineError("weights_missing", "not here"), posted)
    engine.begin()
    await asyncio.wait_for(posted.get(), 60)
    engine.end(0)
    await asyncio.sleep(0)
    assert runtime.stopped == ["c"], "the name may be the next run's by now"
    assert posted.empty()
