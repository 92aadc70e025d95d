"""kill -9 at every stage of a job: the proxy that starts next brings it to its end, and nothing is made twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.image_engine import FakeImageEngine
from tests.fakes.manager import TOKEN, FakeManager
from tests.fakes.video_engine import FakeVideoEngine, VideoKnobs
from tests.harness.ports import free_port
from tests.proxy.jobs.film import MODELS
from tests.proxy.process import process, status_of
from tests.proxy.world import PATIENCE

pytestmark = pytest.mark.anyio


@dataclass
class Theatre:
    """Manager and engines, which live on while proxies come and go."""

    folder: Path
    manager: FakeManager
    engine: FakeVideoEngine
    painter: FakeImageEngine

    @asynccontextmanager
    async def proxy(self) -> AsyncIterator[httpx.AsyncClient]:
        """One proxy as a process, killed at the block's end."""
        port = free_port()
        where = {"proxy_port": str(port), "manager_url": self.manager.url, "token_file": str(self.folder / "token")}
        where |= {"key_store": str(self.folder / "keys.sqlite3"), "artifacts_dir": str(self.folder / "artifacts")}
        async with process(**where), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            async with asyncio.timeout(3 * PATIENCE):
                while await status_of(port, "/ready") != 200:
                    await asyncio.sleep(0.02)
            yield client


@asynccontextmanager
async def theatre(folder: Path) -> AsyncIterator[Theatre]:
    (folder / "token").write_text(TOKEN)
    knobs = VideoKnobs(needs_picture=True, follows_prompt=False)
    async with FakeVideoEngine(knobs) as engine, FakeImageEngine() as painter, FakeManager(MODELS) as manager:
        manager.endpoints |= {"mover": engine.url, "painter": painter.url}
        yield Theatre(folder, manager, engine, painter)


async def queued(made: Theatre, client: httpx.AsyncClient, job: str) -> None:
    """At once."""


async def a_keyframe_is_painted(made: Theatre, client: httpx.AsyncClient, job: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not made.painter.asked:
            await asyncio.sleep(0)


async def a_keyframe_is_kept(made: Theatre, client: httpx.AsyncClient, job: str) -> None:
    await there(made.folder / "artifacts" / "images")


async def a_step_is_done(made: Theatre, client: httpx.AsyncClient, job: str) -> None:
    await made.engine.waits.wait()


async def a_clip_is_kept(made: Theatre, client: httpx.AsyncClient, job: str) -> None:
    made.engine.go.set()
    await there(made.folder / "artifacts" / "videos")


async def completed(made: Theatre, client: httpx.AsyncClient, job: str) -> None:
    made.engine.go.set()
    await over(client, job)


async def there(folder: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        while not sidecars(folder):
            await asyncio.sleep(0)


def sidecars(folder: Path) -> list[Path]:
    return list(folder.glob("art_*.json")) if folder.is_dir() else []


async def over(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    async with asyncio.timeout(3 * PATIENCE):
        while True:
            found: dict[str, Any] = (await client.get(f"/v1/videos/{job}")).json()
            if found["status"] in {"completed", "failed"}:
                return found
            await asyncio.sleep(0.02)


Moment = Callable[[Theatre, httpx.AsyncClient, str], Awaitable[None]]
MOMENTS = [queued, a_keyframe_is_painted, a_keyframe_is_kept, a_step_is_done, a_clip_is_kept, completed]


async def made_across_a_kill(folder: Path, moment: Moment) -> dict[str, Any]:
    """One clip, whose proxy is killed at that moment -> its job, when the next proxy has brought it to its end."""
    async with theatre(folder) as made:
        made.engine.knobs.wait_at = 2
        async with made.proxy() as client:
            answer = await client.post("/v1/videos", json={"prompt": "a red ball", "model": "mover"})
            job = answer.json()["id"]
            await moment(made, client, job)
        made.engine.go.set()
        async with made.proxy() as client:
            found = await over(client, job)
            listed = (await client.get("/v1/artifacts")).json()["data"]
    assert found["status"] == "completed", json.dumps(found)
    assert {each["id"] for each in listed} == {found["artifact_id"], found["keyframe_id"]}
    return found


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_job_whose_proxy_is_killed_is_made_and_made_once(tmp_path: Path, moment: Moment) -> None:
    found = await made_across_a_kill(tmp_path, moment)
    assert found["runs"] <= 2
