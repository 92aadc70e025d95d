"""A job's life: its turn, its steps, its end; called off, cut short, over a restart, with a keyframe before it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from contract.lease import Drain, Failed, Ready
from tests.fakes.image_engine import ImageKnobs
from tests.fakes.video_engine import VideoKnobs
from tests.proxy.jobs.film import Films, films
from tests.proxy.world import PATIENCE

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")]


async def told(f: Films, video_id: str) -> dict[str, Any]:
    answer = await f.world.get(f"/v1/videos/{video_id}")
    assert answer.status == 200, answer.body
    document: dict[str, Any] = json.loads(answer.body)
    return document | {"poll": answer.headers.get("openai-poll-after-ms")}


async def at_step(f: Films, video_id: str, step: int) -> dict[str, Any]:
    """The job once it has come so far."""
    async with asyncio.timeout(PATIENCE):
        while (video := await told(f, video_id))["step"] != step:
            await asyncio.sleep(0.01)
    return video


async def test_progress_is_the_steps_that_are_done(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(wait_at=3, steps=4)) as f:
        video = await at_step(f, (await f.create()).id, 2)
        assert (video["status"], video["progress"], video["steps"], video["stage"]) == ("in_progress", 50, 4, "video")
        assert (video["position"], video["runs"], video["restarted"]) == (0, 1, False)
        assert 250 <= int(video["poll"]) <= 5000
        f.engine.go.set()
        assert (await f.over(video["id"])).progress == 100
        assert (await told(f, video["id"]))["poll"] is None


async def test_jobs_of_a_model_wait_in_their_order_and_are_told_their_position(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(wait_at=1)) as f:
        ids = [(await f.create(prompt=name)).id for name in "abc"]
        await f.engine.waits.wait()
        assert [(await told(f, each))["position"] for each in ids] == [0, 1, 2]
        assert "2 jobs" in (await told(f, ids[2]))["waits_for"]
        await f.client.videos.delete(ids[1])
        assert (await told(f, ids[2]))["position"] == 1
        f.engine.go.set()
        assert (await f.over(ids[2])).status == "completed"
        assert [asked["prompt"] for asked in f.engine.asked] == ["a", "c"]


async def test_a_job_that_is_deleted_while_it_runs_stops_its_engine_within_a_step(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(wait_at=2)) as f:
        video = await f.create()
        await f.engine.waits.wait()
        await f.client.videos.delete(video.id)
        async with asyncio.timeout(PATIENCE):
            await f.engine.left.wait()
        assert f.engine.told == 1
        assert (await f.world.get(f"/v1/videos/{video.id}")).status == 404
        assert f.world.proxy.traffic.in_flight == 0


async def test_a_job_whose_engine_dies_runs_once_more_and_says_so(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(die_at=2)) as f:
        video = await f.over((await f.create()).id)
        assert (video.status, len(f.engine.asked)) == ("completed", 2)
        assert video.model_extra is not None
        assert (video.model_extra["runs"], video.model_extra["restarted"]) == (2, True)


async def test_a_job_whose_engine_dies_twice_has_failed_with_the_reason(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(die_at=2, deaths=9)) as f:
        video = await f.over((await f.create()).id)
        assert (video.status, len(f.engine.asked)) == ("failed", 2)
        assert video.error is not None
        assert video.error.code == "engine_error"
        assert "stopped before" in video.error.message


async def test_a_job_that_its_engine_refuses_has_failed_at_once_and_the_next_has_its_turn(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(needs_picture=True)) as f:
        video = await f.over((await f.create()).id)
        assert video.error is not None
        assert (video.status, video.error.code) == ("failed", "missing_required_parameter")
        assert (await told(f, video.id))["error"]["param"] == "image"
        f.engine.knobs.needs_picture = False
        assert (await f.over((await f.create()).id)).status == "completed"


@pytest.mark.parametrize("clip", [b"<html>", b""], ids=["html", "nothing"])
async def test_what_is_no_clip_is_not_kept(tmp_path: Path, clip: bytes) -> None:
    async with films(tmp_path, VideoKnobs(clip=clip)) as f:
        video = await f.over((await f.create()).id)
        assert video.error is not None
        assert (video.status, video.error.code) == ("failed", "engine_error")
        assert json.loads((await f.world.get("/v1/artifacts")).body)["data"] == []


async def test_a_model_that_is_not_ready_is_waited_for_and_one_that_cannot_be_fails_the_job(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        del f.world.manager.endpoints["filmer"]
        waiting = await f.create()
        lease = await f.world.manager.lease()
        video = await told(f, waiting.id)
        assert (video["status"], video["position"], video["runs"]) == ("queued", 0, 0)
        assert video["waits_for"] is not None
        await lease.send(Ready(endpoint=f.engine.url))
        assert (await f.over(waiting.id)).status == "completed"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("engine_crashed", "the weights are damaged"),
        ("insufficient_memory", "filmer needs 900 GiB, and there are 8"),
        ("model_removed", "filmer was removed from models.json"),
    ],
)
async def test_a_load_that_fails_for_good_fails_the_job_with_the_managers_reason_and_those_behind_it(
    tmp_path: Path, code: str, reason: str
) -> None:
    async with films(tmp_path) as f:
        del f.world.manager.endpoints["filmer"]
        ids = [(await f.create()).id for _ in range(2)]
        for number in range(2):
            lease = await f.world.manager.lease(number)
            await lease.send(Failed(code=code, reason=reason))
            over = await f.over(ids[number])
            assert over.error is not None
            assert (over.status, over.error.code) == ("failed", code)
            assert reason in over.error.message


async def test_a_job_of_a_model_that_the_manager_does_not_know_any_more_fails(tmp_path: Path) -> None:
    async with films(tmp_path) as f:
        gone = {"error": {"message": "no model is named filmer", "type": "not_found_error", "code": "model_not_found"}}
        f.world.manager.refuse_lease = (404, json.dumps(gone).encode())
        over = await f.over((await f.create()).id)
        assert over.error is not None
        assert (over.status, over.error.code) == ("failed", "model_not_found")


async def test_a_job_waits_longer_for_its_model_than_a_request_would(tmp_path: Path) -> None:
    async with films(tmp_path, model_wait=0.05) as f:
        del f.world.manager.endpoints["filmer"]
        video = await f.create()
        async with asyncio.timeout(PATIENCE):
            while (await told(f, video.id))["stage"] != "waiting":
                await asyncio.sleep(0.01)
        f.world.manager.endpoints["filmer"] = f.engine.url
        for lease in f.world.manager.leases:
            await lease.send(Ready(endpoint=f.engine.url))
        over = await f.over(video.id)
        assert (over.status, len(f.engine.asked)) == ("completed", 1)


async def test_a_job_that_has_to_make_room_runs_once_more(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(wait_at=2)) as f:
        video = await f.create()
        lease = await f.world.manager.lease()
        await f.engine.waits.wait()
        await lease.send(Drain(seconds=0.05))
        await f.engine.left.wait()
        f.engine.go.set()
        over: Any = await f.over(video.id)
        assert (over.status, over.runs, len(f.engine.asked)) == ("completed", 2, 2)


TAILS = [
    'data: {"type": "video.completed", "b64_json": 7}\n\n',
    'data: {"type": "video.completed", "b64_json": "***"}\n\n',
    "data: <html>\n\n",
    ": nothing\n\n",
    'data: {"error": {"message": "no memory", "type": "server_error", "code": "engine_error"}}\n\n',
]


async def test_an_engine_that_ends_with_anything_but_a_clip_fails_the_job(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs()) as f:
        for number, tail in enumerate(TAILS):
            f.engine.knobs.tail = tail
            video = await f.over((await f.create()).id)
            assert video.error is not None, tail
            assert (video.status, video.error.code) == ("failed", "engine_error"), tail
            assert len(f.engine.asked) == number + 1  # what it would only do again is not asked again
        assert video.error is not None
        assert "no memory" in video.error.message


# A keyframe


async def test_a_model_that_needs_a_picture_gets_one_painted_and_both_artifacts_know_each_other(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(needs_picture=True, follows_prompt=False)) as f:
        video = await f.over((await f.create(model="mover", size="128x64", extra_body={"seed": 3})).id)
        assert (video.status, video.prompt) == ("completed", "a red ball")
        made: Any = video.model_extra
        assert made["ignored"] == ["prompt"]
        assert [asked.fields["prompt"] for asked in f.painter.asked] == ["a red ball"]
        assert (f.painter.asked[0].fields["seed"], f.painter.asked[0].fields["size"]) == (3, "128x64")
        found = [await f.world.get(f"/v1/artifacts/{made[name]}") for name in ("artifact_id", "keyframe_id")]
        clip, keyframe = [json.loads(answer.body) for answer in found]
        assert clip["parents"] == [keyframe["id"]]
        assert keyframe["children"] == [clip["id"]]
        assert (keyframe["model"], clip["model"]) == ("painter", "mover")


async def test_a_keyframe_is_stored_and_its_lease_at_rest_before_the_video_model_is_asked_for(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(needs_picture=True, follows_prompt=False)) as f:
        del f.world.manager.endpoints["mover"]
        video = await f.create(model="mover")
        lease = await f.world.manager.lease(1)
        assert [each.model for each in f.world.manager.leases] == ["painter", "mover"]
        loads = {load.model: (load.in_flight, load.waiting) for load in (each.load for each in f.world.proxy.leases)}
        assert loads == {"painter": (0, 0), "mover": (0, 1)}
        seen = await told(f, video.id)
        assert (await f.world.get(f"/v1/artifacts/{seen['keyframe_id']}")).status == 200
        assert (seen["stage"], seen["status"]) == ("video", "in_progress")
        assert 0 < seen["progress"] < 100
        await lease.send(Ready(endpoint=f.engine.url))
        assert (await f.over(video.id)).status == "completed"


async def test_a_picture_that_was_sent_needs_no_keyframe(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(needs_picture=True, follows_prompt=False)) as f:
        first: Any = (await f.over((await f.create(model="mover")).id)).model_extra
        reference = {"input_reference[file_id]": first["keyframe_id"]}
        second = await f.over((await f.create(model="mover", extra_body=reference)).id)
        assert second.status == "completed"
        assert len(f.painter.asked) == 1


async def test_a_painter_that_refuses_fails_the_job(tmp_path: Path) -> None:
    async with films(tmp_path, paint=ImageKnobs(status=400, code="too_large")) as f:
        video = await f.over((await f.create(model="mover")).id)
        assert video.error is not None
        assert (video.status, video.error.code) == ("failed", "too_large")
        assert f.engine.asked == []


# A stop of the proxy


async def test_over_a_restart_who_waited_goes_on_waiting_and_who_ran_runs_once_more(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(wait_at=2), drain=0.1) as f:
        ids = [(await f.create(prompt=name)).id for name in "ab"]
        await at_step(f, ids[0], 1)
    async with films(tmp_path) as f:
        first, second = [await f.over(each) for each in ids]
        assert (first.status, second.status) == ("completed", "completed")
        assert [asked["prompt"] for asked in f.engine.asked] == ["a", "b"]
        extras: list[Any] = [first.model_extra, second.model_extra]
        assert [(each["runs"], each["restarted"]) for each in extras] == [(2, True), (1, False)]


async def test_a_job_that_was_interrupted_twice_has_failed_and_says_why(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(wait_at=2), drain=0.1) as f:
        video = await f.create()
        await at_step(f, video.id, 1)
    async with films(tmp_path, VideoKnobs(wait_at=2), drain=0.1) as f:
        await at_step(f, video.id, 1)
    async with films(tmp_path) as f:
        over = await f.over(video.id)
        assert over.error is not None
        assert (over.status, over.error.code, f.engine.asked) == ("failed", "interrupted", [])


async def test_a_keyframe_that_was_stored_before_a_stop_is_not_painted_again(tmp_path: Path) -> None:
    knobs = VideoKnobs(needs_picture=True, follows_prompt=False, wait_at=2)
    async with films(tmp_path, knobs, drain=0.1) as f:
        video = await f.create(model="mover")
        await at_step(f, video.id, 1)
    async with films(tmp_path, VideoKnobs(needs_picture=True, follows_prompt=False)) as f:
        assert (await f.over(video.id)).status == "completed"
        assert f.painter.asked == []


async def test_a_stop_lets_the_clip_that_is_being_made_be_finished(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(wait_at=2), drain=PATIENCE) as f:
        ids = [(await f.create(prompt=name)).id for name in "ab"]
        await f.engine.waits.wait()
        f.world.server.stop()
        f.engine.go.set()
    async with films(tmp_path) as f:
        first, second = [await f.over(each) for each in ids]
        extras: list[Any] = [first.model_extra, second.model_extra]
        assert [each["runs"] for each in extras] == [1, 1]
        assert [asked["prompt"] for asked in f.engine.asked] == ["b"]


# Bounds


async def test_one_owner_and_one_model_have_so_many_jobs_and_no_more(tmp_path: Path) -> None:
    async with films(tmp_path, VideoKnobs(wait_at=1), job_owner_limit=3, job_limit=1) as f:
        await f.create()
        await f.engine.waits.wait()
        await f.create()
        body = json.dumps({"prompt": "x"}).encode()
        answer = await f.world.post("/v1/videos", body)
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (503, "overloaded")
        await f.create(model="mover")
        answer = await f.world.post("/v1/videos", body)
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (429, "too_many_jobs")
        assert answer.headers["retry-after"] == "30"
        f.engine.go.set()
