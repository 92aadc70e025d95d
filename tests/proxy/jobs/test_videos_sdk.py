"""Clips as the OpenAI SDK asks for them, looks after them, fetches, lists, remixes and deletes them."""

import base64
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.fakes.pictures import png
from tests.fakes.video_engine import CLIP, JPEG, VideoKnobs
from tests.proxy.jobs.film import films

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")]


async def test_a_clip_is_made_polled_and_downloaded(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        video = await f.client.videos.create_and_poll(prompt="a red ball", model="sora-2", seconds="4", size="1280x720")
        assert (video.status, video.progress, video.model, video.object) == ("completed", 100, "filmer", "video")
        assert (video.seconds, video.size, video.prompt) == ("2", "64x48", "a red ball")
        assert video.completed_at is not None
        content = await f.client.videos.download_content(video.id)
        assert content.content == CLIP
        assert f.engine.asked == [{"model": "filmer", "prompt": "a red ball", "seconds": 4, "size": "1280x720"}]


async def test_the_thumbnail_and_the_spritesheet_are_variants_of_the_content(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        video = await f.over((await f.create()).id)
        for variant in ("thumbnail", "spritesheet"):
            picture = await f.client.videos.download_content(video.id, variant=variant)
            assert picture.content == JPEG
        with pytest.raises(openai.BadRequestError, match="variant"):
            await f.client.videos.download_content(video.id, variant="poster")  # type: ignore[arg-type]


async def test_a_variant_that_is_empty_or_stands_twice_is_refused_by_name(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        video = await f.over((await f.create()).id)
        for query in ("variant=", "variant", "variant=video&variant=video"):
            answer = await f.world.get(f"/v1/videos/{video.id}/content?{query}")
            assert answer.status == 400, query
            assert json.loads(answer.body)["error"]["param"] == "variant"


async def test_an_engine_without_variants_has_no_spritesheet_and_says_so(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(variants=False)) as f:
        video = await f.over((await f.create()).id)
        with pytest.raises(openai.NotFoundError, match="no spritesheet"):
            await f.client.videos.download_content(video.id, variant="spritesheet")


async def test_the_content_of_a_clip_that_is_not_made_yet_is_a_conflict_that_is_not_retried(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(wait_at=2)) as f:
        video = await f.create()
        with pytest.raises(openai.ConflictError) as raised:
            await f.client.videos.download_content(video.id)
        assert raised.value.response.headers["x-should-retry"] == "false"
        f.engine.go.set()
        assert (await f.over(video.id)).status == "completed"


async def test_the_listing_has_pages_newest_first_and_ends(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        made = [(await f.over((await f.create(prompt=f"ball {number}")).id)).id for number in range(5)]
        assert [video.id async for video in f.client.videos.list(limit=2)] == made[::-1]
        assert [video.id async for video in f.client.videos.list(limit=2, order="asc")] == made
        page = await f.client.videos.list(limit=2, after=made[2])
        assert [video.id for video in page.data] == [made[1], made[0]]


WRONG = ("status=completed", "limit=0", "limit=101", "limit=x", "limit=0000010000", "order=up", "after=../etc")
EMPTY = ("limit=", "limit", "order=", "after=")
TWICE = ("limit=2&limit=2", "order=asc&order=", "after=&after=")


async def test_a_listing_that_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        for query in (*WRONG, *EMPTY, *TWICE):
            for path in ("/v1/videos", "/v1/jobs"):
                answer = await f.world.get(f"{path}?{query}")
                name = query.partition("=")[0]
                assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, name), query


async def test_a_deleted_clip_is_gone_with_what_was_made_for_it(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(follows_prompt=False, needs_picture=True)) as f:
        video = await f.over((await f.create(model="mover")).id)
        extra: Any = video.model_extra
        deleted = await f.client.videos.delete(video.id)
        assert (deleted.id, deleted.deleted, deleted.object) == (video.id, True, "video.deleted")
        with pytest.raises(openai.NotFoundError):
            await f.get(video.id)
        for artifact in (extra["artifact_id"], extra["keyframe_id"]):
            assert (await f.world.get(f"/v1/artifacts/{artifact}")).status == 404


async def test_a_remix_has_another_prompt_and_the_rest_of_the_first_with_its_seed(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        first = await f.over((await f.create(seconds="8", extra_body={"fps": 12})).id)
        remix = await f.client.videos.remix(first.id, prompt="a blue ball")
        assert remix.remixed_from_video_id == first.id
        assert (await f.over(remix.id)).status == "completed"
        assert f.engine.asked[1] == {"model": "filmer", "prompt": "a blue ball", "seconds": 8, "fps": 12, "seed": 7}


async def test_a_remix_needs_a_prompt_that_says_something_where_a_picture_was_sent_too(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        first = await f.over((await f.create(input_reference=png())).id)
        for prompt in ("", " ", "\t\n\v\f\r "):
            answer = await f.world.post(f"/v1/videos/{first.id}/remix", json.dumps({"prompt": prompt}).encode())
            assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, "prompt"), prompt
        for prompt in ("\x85", "\x1c", "\u3000", " x "):
            answer = await f.world.post(f"/v1/videos/{first.id}/remix", json.dumps({"prompt": prompt}).encode())
            assert (answer.status, json.loads(answer.body)["remixed_from_video_id"]) == (200, first.id), prompt


async def test_a_remix_of_a_clip_whose_picture_was_deleted_is_refused_and_not_a_job_that_fails(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        first = await f.over((await f.create(input_reference=png())).id)
        extra: Any = first.model_extra
        assert (await f.over((await f.client.videos.remix(first.id, prompt="a blue ball")).id)).status == "completed"
        assert (await f.world.get(f"/v1/artifacts/{extra['reference_id']}", method="DELETE")).status == 200
        with pytest.raises(openai.ConflictError) as refused:
            await f.client.videos.remix(first.id, prompt="a blue ball")
        assert refused.value.code == "not_reproducible"
        assert extra["reference_id"] in refused.value.message
        assert refused.value.response.headers["x-should-retry"] == "false"
        assert len([video async for video in f.client.videos.list()]) == 2


async def test_fields_of_ours_travel_in_the_form_and_reach_the_engine_as_numbers(tmp_path: Path) -> None:
    extra = {"fps": 12, "motion": 200, "seed": 5, "guidance_scale": 2.5, "min_guidance_scale": 1.5}
    async with films(tmp_path) as f:
        await f.over((await f.create(prompt="7", extra_body=extra)).id)
        said = {"fps": 12, "motion_bucket_id": 200, "seed": 5, "guidance_scale": 2.5, "min_guidance_scale": 1.5}
        assert f.engine.asked == [{"model": "filmer", "prompt": "7", **said}]


async def test_what_a_clip_cannot_be_is_refused_by_name_and_nothing_is_queued(tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [{"fps": "many"}, {"fps": 0}, {"quality": "best"}, {"n": 2}, {"size": "big"}]
    async with films(tmp_path) as f:
        for extra in wrong:
            with pytest.raises(openai.BadRequestError) as raised:
                await f.create(extra_body=extra)
            assert raised.value.param == next(iter(extra))
        assert [video async for video in f.client.videos.list()] == []


async def test_a_prompt_is_needed_where_there_is_no_picture(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        with pytest.raises(openai.BadRequestError) as raised:
            await f.create(prompt=" ")
        assert raised.value.param == "prompt"
        assert (await f.over((await f.create(prompt=" ", input_reference=png())).id)).status == "completed"


PICTURE = base64.b64encode(png()).decode()
URL = f"data:image/png;base64,{PICTURE}"
SPELLINGS: list[dict[str, Any]] = [
    {"input_reference": png()},
    {"input_reference": ("ball.png", png(), "image/png")},
    {"extra_body": {"input_reference[image_url]": URL}},
    {"extra_body": {"input_reference": json.dumps({"image_url": URL})}},
    {"extra_body": {"input_reference": URL}},
    {"extra_body": {"image_url": URL}},
    {"extra_body": {"image": PICTURE}},
]


async def test_a_picture_is_taken_in_every_spelling_of_a_form(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        for number, spelling in enumerate(SPELLINGS):
            video = await f.over((await f.create(**spelling)).id)
            assert base64.b64decode(f.engine.asked[number]["image"]).startswith(b"\x89PNG"), spelling
            assert video.model_extra is not None
            assert video.model_extra["reference_id"].startswith("art_"), spelling


async def test_a_picture_is_taken_in_every_spelling_of_json(tmp_path: Path) -> None:
    references = [URL, PICTURE, {"image_url": URL}, {"image_url": {"url": URL}}, [{"image_url": URL}]]
    async with films(tmp_path) as f:
        for number, reference in enumerate(references):
            body = {"prompt": "a ball", "input_reference": reference, "seconds": "4"}
            answer = await f.world.post("/v1/videos", json.dumps(body).encode())
            assert answer.status == 200, answer.body
            await f.over(json.loads(answer.body)["id"])
            assert base64.b64decode(f.engine.asked[number]["image"]).startswith(b"\x89PNG")
            assert f.engine.asked[number]["seconds"] == 4


async def test_a_picture_that_is_kept_already_is_named_by_its_id(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        first: Any = (await f.over((await f.create(input_reference=png())).id)).model_extra
        second = await f.create(extra_body={"input_reference[file_id]": first["reference_id"]})
        made: Any = (await f.over(second.id)).model_extra
        assert made["reference_id"] == first["reference_id"]
        file = await f.client.files.create(file=("ball.png", png()), purpose="vision")
        third: Any = (await f.over((await f.create(extra_body={"input_reference[file_id]": file.id})).id)).model_extra
        assert third["reference_id"] == file.id
        for wrong in ("art_" + 32 * "0", first["artifact_id"], "../x"):
            with pytest.raises(openai.BadRequestError) as raised:
                await f.create(extra_body={"input_reference[file_id]": wrong})
            assert raised.value.param == "input_reference"


async def test_what_is_no_picture_is_refused_before_anything_is_queued(tmp_path: Path) -> None:
    broken = "data:image/png;base64,AAAA"
    async with films(tmp_path) as f:
        for reference in ("http://127.0.0.1:1/a.png", "data:text/html;base64,AAAA", {"image_url": 7}, broken):
            body = json.dumps({"prompt": "a ball", "input_reference": reference}).encode()
            answer = await f.world.post("/v1/videos", body)
            assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, "input_reference")
        assert f.engine.asked == []


async def test_two_pictures_are_one_too_many(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        with pytest.raises(openai.BadRequestError) as raised:
            await f.create(input_reference=png(), extra_body={"image": PICTURE})
        assert raised.value.param == "input_reference"


async def test_what_is_not_done_here_is_said_and_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        for verb in ("edits", "extensions", "characters"):
            answer = await f.world.post(f"/v1/videos/{verb}", b"{}")
            assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, "not_supported")
        nobody = "video_" + 32 * "0"
        for path in ("../x", "video_0", nobody, f"{nobody}/content", "%00"):
            assert (await f.world.get(f"/v1/videos/{path}")).status == 404
        assert (await f.world.get(f"/v1/videos/{nobody}/remix")).status == 405
        assert (await f.world.post(f"/v1/videos/{nobody}/remix", b'{"prompt":"x"}')).status == 404
        first = await f.over((await f.create()).id)
        for nothing in (b'{"prompt":null}', b'{"prompt":" "}', b"{}", b'{"prompt":"x","seed":1}'):
            assert (await f.world.post(f"/v1/videos/{first.id}/remix", nothing)).status == 400
