"""Pictures of slow models as jobs: handed in with `background: true`, fetched later."""

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.fakes.pictures import png
from tests.proxy.jobs.film import Films, films
from tests.proxy.world import PATIENCE

pytestmark = pytest.mark.anyio


async def job(f: Films, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await f.world.get(f"/v1/jobs/{job_id}")).body)
    return found


async def test_a_picture_that_is_asked_for_in_the_background_is_a_job_and_then_an_artifact(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        extra = {"background": True, "seed": 3}
        handed_in: Any = await f.client.images.generate(prompt="a hat", model="painter", n=1, extra_body=extra)
        assert (handed_in.object, handed_in.status, handed_in.data) == ("image.job", "queued", [])
        async with asyncio.timeout(PATIENCE):
            while (over := await job(f, handed_in.id))["status"] != "completed":
                await asyncio.sleep(0.01)
        assert (over["progress"], over["prompt"], over["seed"]) == (100, "a hat", 7)
        content = await f.world.get(over["data"][0]["url"].removeprefix(f.world.url))
        assert (content.status, content.headers["content-type"]) == (200, "image/png")
        assert png() in content.body
        asked = {"prompt": "a hat", "n": 1, "seed": 3, "model": "painter", "stream": True, "progress": True}
        assert [each.fields for each in f.painter.asked] == [asked]


async def test_background_as_a_word_is_openais_and_answered_at_once(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        answer = await f.client.images.generate(prompt="a hat", model="painter", background="opaque")
        assert answer.data is not None
        assert answer.data[0].b64_json is not None
        assert f.painter.asked[0].fields["background"] == "opaque"


async def test_what_a_picture_cannot_be_is_refused_before_it_is_queued(tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [{"seed": -1}, {"n": 99}, {"mood": "sad"}, {"size": "big"}]
    async with films(tmp_path) as f:
        for extra in wrong:
            with pytest.raises(openai.BadRequestError) as raised:
                await f.client.images.generate(prompt="a hat", extra_body={"background": True, **extra})
            assert raised.value.param == next(iter(extra))
        assert json.loads((await f.world.get("/v1/jobs")).body)["data"] == []


async def test_jobs_of_every_kind_are_listed_together_and_deleted_by_their_ids(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        picture: Any = await f.client.images.generate(prompt="a hat", extra_body={"background": True})
        clip = json.loads((await f.world.post("/v1/videos", b'{"prompt":"a hat"}')).body)
        listed = json.loads((await f.world.get("/v1/jobs")).body)["data"]
        assert [(each["id"], each["object"]) for each in listed] == [(clip["id"], "video"), (picture.id, "image.job")]
        assert [each["id"] for each in json.loads((await f.world.get("/v1/videos")).body)["data"]] == [clip["id"]]
        assert (await f.world.get(f"/v1/videos/{picture.id}")).status == 404
        answer = await f.world.get(f"/v1/jobs/{picture.id}", method="DELETE")
        assert json.loads(answer.body) == {"id": picture.id, "deleted": True, "object": "image.job.deleted"}
        assert (await f.world.get(f"/v1/jobs/{picture.id}")).status == 404
