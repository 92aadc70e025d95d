"""Jobs and the keys that ask for them: what a job is charged, and what becomes of it when its key is revoked."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.image_engine import FakeImageEngine
from tests.fakes.video_engine import FakeVideoEngine, VideoKnobs
from tests.proxy.jobs.film import MODELS
from tests.proxy.keyed import Keyed, Made, keyed
from tests.proxy.world import MODELS as TEXT
from tests.proxy.world import PATIENCE, until

pytestmark = pytest.mark.anyio

PICTURES = "/v1/images/generations"


@dataclass
class Box:
    """A proxy with keys, and models of every kind."""

    keys: Keyed
    engine: FakeVideoEngine

    async def post(self, key: Made, path: str, **fields: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
        answer = await self.keys.ask("POST", path, {"prompt": "a ball", **fields}, key.header)
        return answer.status, json.loads(answer.body)

    async def create(self, key: Made) -> str:
        status, job = await self.post(key, "/v1/videos", model="filmer")
        assert status == 200, job
        return str(job["id"])

    async def over(self, key: Made, job: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await self.keys.ask("GET", f"/v1/jobs/{job}", None, key.header)
                found: dict[str, Any] = json.loads(answer.body)
                if found["status"] in {"completed", "failed"}:
                    return found
                await asyncio.sleep(0.01)


@asynccontextmanager
async def box(folder: Path, knobs: VideoKnobs | None = None) -> AsyncIterator[Box]:
    async with FakeVideoEngine(knobs) as engine, FakeImageEngine() as painter, keyed(folder) as keys:
        world = keys.world
        world.manager.endpoints |= {"filmer": engine.url, "mover": engine.url, "painter": painter.url}
        await world.manager.change_catalogue({**TEXT, **MODELS})
        await until(lambda: world.proxy.feed.directory is not None and "mover" in world.proxy.feed.directory.statuses)
        yield Box(keys, engine)


async def test_a_revoked_keys_jobs_that_wait_fail_and_say_so_and_the_one_that_runs_is_finished(tmp_path: Path) -> None:
    async with box(tmp_path, VideoKnobs(wait_at=2)) as b:
        revoked, other = await b.keys.make(user="ann"), await b.keys.make(user="ann")
        running, waiting = await b.create(revoked), await b.create(revoked)
        await b.engine.waits.wait()
        assert (await b.keys.ask("DELETE", f"/admin/keys/{revoked.id}")).status == 200
        failed = await b.over(other, waiting)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "key_revoked")
        b.engine.go.set()
        assert (await b.over(other, running))["status"] == "completed"
        assert len(b.engine.asked) == 1


async def test_a_job_is_one_request_when_it_is_handed_in_and_has_a_place_while_it_runs(tmp_path: Path) -> None:
    async with box(tmp_path, VideoKnobs(wait_at=2)) as b:
        key = await b.keys.make(limits={"concurrent_requests": 1, "requests_per_minute": 3})
        job = await b.create(key)
        await b.engine.waits.wait()
        refused = await b.keys.chat(key)
        assert (refused.status, b"1 requests at a time" in refused.body) == (429, True)
        b.engine.go.set()
        await b.over(key, job)
        for _ in range(2):
            assert (await b.keys.chat(key)).status == 200
        status, answer = await b.post(key, "/v1/videos", model="filmer")
        assert (status, answer["error"]["code"]) == (429, "rate_limit_exceeded")
        used = {each["model"]: each["requests"] for each in await b.keys.usage(key)}
        assert used == {"filmer": 1, "small": 2}


@pytest.mark.parametrize(("path", "fields"), [("/v1/videos", {}), (PICTURES, {"background": True, "model": "painter"})])
async def test_a_model_out_of_the_keys_scope_is_refused_at_the_door(
    tmp_path: Path, path: str, fields: dict[str, Any]
) -> None:
    async with box(tmp_path) as b:
        key = await b.keys.make(models=["small"])
        status, answer = await b.post(key, path, **fields)
        assert (status, answer["error"]["code"]) == (403, "model_not_allowed")
        listed = await b.keys.ask("GET", "/v1/jobs", None, key.header)
        assert json.loads(listed.body)["data"] == []


async def test_a_picture_in_the_background_is_charged_as_a_clip_is(tmp_path: Path) -> None:
    async with box(tmp_path) as b:
        key = await b.keys.make(limits={"requests_per_minute": 1})
        status, job = await b.post(key, PICTURES, background=True, model="painter")
        assert (status, job["object"]) == (200, "image.job")
        assert (await b.over(key, job["id"]))["status"] == "completed"
        assert [(each["model"], each["requests"]) for each in await b.keys.usage(key)] == [("painter", 1)]
        assert (await b.post(key, PICTURES, background=True, model="painter"))[0] == 429
