"""When a start is over: not before the engine or its deadline says so."""

import httpx
import pytest

from manager.running import readiness
from manager.running.readiness import Readiness
from manager.specification import EngineError, Exit
from tests.fakes.kind import TinyKind

pytestmark = pytest.mark.anyio


async def away() -> Exit | None:
    raise EngineError("docker_failed", "Docker: Read timed out")


async def no_log() -> tuple[str, ...]:
    raise EngineError("docker_failed", "Docker: Read timed out")


async def test_a_runtime_that_does_not_answer_says_nothing_about_an_engine_that_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "POLL_SECONDS", 0)
    statuses = iter((503, 503, 503, 200))
    phases: list[str] = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(next(statuses)))) as client:
        await Readiness(client, TinyKind(), away, no_log).wait("http://engine", phases.append, 60)
    assert phases == ["starting the engine"]
    assert next(statuses, None) is None
