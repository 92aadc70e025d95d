"""Clips are artifacts like all others: found, read, and made again by a job."""

import json
from pathlib import Path

import pytest

from tests.fakes.pictures import png
from tests.fakes.video_engine import CLIP, VideoKnobs
from tests.proxy.artifacts.test_posters import clip
from tests.proxy.jobs.film import films

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")]


async def test_a_clip_is_made_again_by_a_job_and_both_tell_that_they_are_equal(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        video = await f.over((await f.create(model="mover", prompt="a red ball")).id)
        assert video.status == "completed"
        page = json.loads((await f.world.get("/v1/artifacts?kind=video")).body)
        (clip,) = page["data"]
        assert (clip["model"], clip["mime"]) == ("mover", "video/mp4")
        assert (await f.world.get(clip["content_url"], "range: bytes=0-7")).body == CLIP[:8]
        answer = await f.world.post(f"/v1/artifacts/{clip['id']}/reproduce", b"")
        told = json.loads(answer.body)
        assert (answer.status, told["original"], told["equal"]) == (202, clip["id"], None)
        assert (await f.over(told["job"])).status == "completed"
        shown = json.loads((await f.world.get(f"/v1/artifacts/{clip['id']}")).body)
        (again,) = shown["same_bytes"]
        made = json.loads((await f.world.get(f"/v1/artifacts/{again}")).body)
        assert (made["same_bytes"], made["parents"], made["seed"]) == ([clip["id"]], clip["parents"], clip["seed"])


async def test_a_clip_whose_first_picture_was_deleted_cannot_be_made_again_and_says_why(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        await f.over((await f.create(input_reference=png())).id)
        (clip,) = json.loads((await f.world.get("/v1/artifacts?kind=video")).body)["data"]
        (picture,) = clip["parents"]
        assert (await f.world.get(f"/v1/artifacts/{picture}", method="DELETE")).status == 200
        answer = await f.world.post(f"/v1/artifacts/{clip['id']}/reproduce", b"")
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["code"], error["param"]) == (409, "not_reproducible", None)
        assert picture in error["message"]
        assert len(json.loads((await f.world.get("/v1/jobs")).body)["data"]) == 1


async def test_a_keyframe_is_made_again_at_once(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        await f.over((await f.create(model="mover", prompt="a red ball")).id)
        (keyframe,) = json.loads((await f.world.get("/v1/artifacts?kind=image")).body)["data"]
        assert keyframe["children"] != []
        told = json.loads((await f.world.post(f"/v1/artifacts/{keyframe['id']}/reproduce", b"")).body)
        assert (told["original"], told["equal"]) == (keyframe["id"], True)


async def test_a_clip_whose_engine_sent_no_poster_has_one_of_ours_and_says_of_what_type(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(variants=False, clip=clip())) as f:
        video = await f.over((await f.create(model="mover", prompt="a red ball")).id)
        small = await f.world.get(f"/v1/videos/{video.id}/content?variant=thumbnail")
        assert (small.status, small.headers["content-type"], small.body[:4]) == (200, "image/webp", b"RIFF")
