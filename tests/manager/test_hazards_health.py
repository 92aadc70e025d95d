"""What the manager's own health says while the place where engines run does not answer."""

from pathlib import Path
from typing import Any, cast

import pytest

from manager.runtimes.docker import DockerRuntime
from manager.specification import EngineError, Exit
from tests.manager.test_hazards_flat import whole

pytestmark = pytest.mark.anyio

AWAY = "Docker: Connection refused; nobody listens at Docker's socket: start the Docker Engine"


async def test_health_says_why_engines_go_on_unwatched_and_when_they_are_watched_again(tmp_path: Path) -> None:
    async with whole(tmp_path) as it:
        assert (await it.http.get("/health")).json() == {"status": "ok"}
        it.runtime.complaint = AWAY
        answer = await it.http.get("/health")
        assert (answer.status_code, answer.json()) == (200, {"status": "degraded", "engines": AWAY})
        await it.cycle()
        it.runtime.complaint = None
        assert (await it.http.get("/health")).json() == {"status": "ok"}


class Engines:
    """Answers with an exit, or with a failure of that code."""

    code: str | None = None

    def exit_of(self, handle: str) -> Exit | None:
        if self.code is not None:
            raise EngineError(self.code, AWAY)
        return None


async def test_a_daemon_that_does_not_answer_is_complained_of_until_it_does(tmp_path: Path) -> None:
    runtime, engines = DockerRuntime("i", tmp_path, tmp_path, tmp_path, "host"), Engines()
    runtime._engines = cast(Any, engines)
    for code, complaint in (("docker_failed", AWAY), (None, None), ("image_missing", None)):
        engines.code = code
        if code is None:
            assert await runtime.exit_of("c") is None
        else:
            with pytest.raises(EngineError):
                await runtime.exit_of("c")
        assert runtime.complaint == complaint
