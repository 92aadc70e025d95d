"""A sentence, a picture, a clip: two real models behind the whole of Roundhouse, asked with the real OpenAI SDK."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from openai.types import Video
from PIL import Image

from tests.images.pictures import png
from tests.integration.film import PROMPT, Event, events, extra, get, seen, until_over, wait_for_a_step
from tests.integration.stack import Stack, eventually

OTHER_PROMPT = "a green square on a yellow background"
FRAMES, FPS, STEPS, SEED = 12, 6, 5, 11
ASKED = {"num_frames": FRAMES, "fps": FPS, "num_inference_steps": STEPS, "seed": SEED}
# So many frames that a step takes longer than to call a job off.
LONG = {"num_frames": 60, "num_inference_steps": 60}

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]


@dataclass(frozen=True)
class Filmed:
    """A job's end, and what was told on its way there: by events, and whenever it was asked for."""

    video: Video
    events: list[Event]
    told: list[Video]


@pytest.fixture(scope="module")
def filmed(stack: Stack) -> Filmed:
    """A clip from a sentence: the picture that it begins with is painted by `shapes`."""
    for model in ("shapes", "shapes-motion"):
        stack.of(model).load()
    client = stack.client()
    with events(stack) as heard:
        video = client.videos.create(model="shapes-motion", prompt=PROMPT, extra_body=ASKED)
        told, kept = [video], list[Event]()
        for event in heard:
            kept.append(event)
            told.append(client.videos.retrieve(video.id))
            if event.kind in {"job-completed", "job-failed"}:
                break
    assert told[-1].status == "completed", told[-1].error
    return Filmed(told[-1], kept, told)


@pytest.fixture
def motion(stack: Stack, filmed: Filmed) -> Iterator[httpx.Client]:
    """The video model's engine itself, past the proxy."""
    with httpx.Client(base_url=stack.of("shapes-motion").engine_address(), timeout=60, trust_env=False) as client:
        yield client


def steps(engine: httpx.Client) -> int:
    return metric(engine, "roundhouse_steps_total")


def metric(engine: httpx.Client, name: str) -> int:
    lines = engine.get("/metrics").text.splitlines()
    return next(int(float(line.split()[1])) for line in lines if line.startswith(f"{name} "))


def content(stack: Stack, video: Video) -> bytes:
    return stack.client().videos.download_content(video.id).content


def test_a_player_sees_the_frames_the_length_and_the_size_that_were_asked_for(
    stack: Stack, filmed: Filmed, tmp_path: Path
) -> None:
    found = seen(content(stack, filmed.video), tmp_path)
    assert (found.frames, found.fps, found.size) == (FRAMES, FPS, "64x64")
    assert found.seconds == pytest.approx(FRAMES / FPS, abs=0.01)
    video = filmed.video
    assert (extra(video)["frames"], extra(video)["fps"], video.size) == (found.frames, found.fps, found.size)
    assert float(video.seconds) == FRAMES / FPS


def test_a_clip_comes_with_a_picture_of_it_and_a_sheet_of_its_frames(stack: Stack, filmed: Filmed) -> None:
    client = stack.client()
    thumbnail, sheet = (
        Image.open(io.BytesIO(client.videos.download_content(filmed.video.id, variant=variant).content))
        for variant in ("thumbnail", "spritesheet")
    )
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (64, 64))
    assert (sheet.format, sheet.size) == ("JPEG", (4 * 64, 3 * 64))


def test_every_step_of_both_models_is_told_and_the_progress_grows_with_them(filmed: Filmed) -> None:
    told = [event for event in filmed.events if event.kind == "progress"]
    painted = told[0].data["steps"]
    wanted = [("keyframe", step, painted) for step in range(1, painted + 1)]
    assert [event.step for event in told] == wanted + [("video", step, STEPS) for step in range(1, STEPS + 1)]
    shares = [event.data["progress"] for event in told]
    assert shares == sorted(shares)
    assert (0 < shares[0] < 10, shares[-1]) == (True, 99)
    asked = [video.progress for video in filmed.told]
    assert asked == sorted(asked)
    assert len(set(asked)) > 5
    assert asked[-1] == 100


def test_the_keyframe_is_kept_before_the_video_model_is_at_work(filmed: Filmed) -> None:
    course = [(event.kind, event.data.get("stage"), event.data.get("artifact")) for event in filmed.events]
    kept = course.index(("artifact-ready", None, extra(filmed.video)["keyframe_id"]))
    assert ("progress", "keyframe", None) not in course[kept:]
    assert ("progress", "video", None) not in course[:kept]
    assert course[-2:] == [
        ("artifact-ready", None, extra(filmed.video)["artifact_id"]),
        ("job-completed", "video", None),
    ]


def test_who_comes_back_with_the_last_events_id_hears_the_rest(stack: Stack, filmed: Filmed) -> None:
    half = len(filmed.events) // 2
    with events(stack, filmed.events[half].id) as heard:
        assert until_over(heard, filmed.video.id) == filmed.events[half + 1 :]


def test_the_picture_and_the_clip_know_each_other(stack: Stack, filmed: Filmed) -> None:
    clip = get(stack, f"/v1/artifacts/{extra(filmed.video)['artifact_id']}").json()
    keyframe = get(stack, f"/v1/artifacts/{extra(filmed.video)['keyframe_id']}").json()
    assert (clip["model"], clip["parents"]) == ("shapes-motion", [keyframe["id"]])
    assert (keyframe["model"], keyframe["children"], keyframe["prompt"]) == ("shapes", [clip["id"]], PROMPT)
    assert (clip["seed"], keyframe["seed"]) == (SEED, SEED)
    assert (clip["width"], clip["height"], clip["fps"], clip["duration"]) == (64, 64, FPS, FRAMES / FPS)
    assert get(stack, f"/v1/artifacts/{clip['id']}/thumbnail").headers["content-type"].startswith("image/")


def test_a_clip_is_made_again_to_the_same_bytes(stack: Stack, filmed: Filmed) -> None:
    clip = extra(filmed.video)["artifact_id"]
    path = f"{stack.base_url}/v1/artifacts/{clip}/reproduce"
    told = httpx.post(path, trust_env=False, timeout=60).raise_for_status().json()
    again = stack.client().videos.poll(told["job"])
    assert again.status == "completed", again.error
    assert content(stack, again) == content(stack, filmed.video)
    assert extra(again)["artifact_id"] in get(stack, f"/v1/artifacts/{clip}").json()["same_bytes"]


def test_a_remix_is_another_clip_and_the_list_has_both_page_by_page(stack: Stack, filmed: Filmed) -> None:
    client = stack.client()
    remix = client.videos.poll(client.videos.remix(filmed.video.id, prompt=OTHER_PROMPT).id)
    assert remix.status == "completed", remix.error
    assert (remix.remixed_from_video_id, remix.prompt, extra(remix)["seed"]) == (filmed.video.id, OTHER_PROMPT, SEED)
    assert content(stack, remix) != content(stack, filmed.video)
    listed = [video.id for video in client.videos.list(limit=1, order="asc")]
    assert listed == [video.id for video in reversed(list(client.videos.list(limit=100)))]
    assert {remix.id, filmed.video.id} <= set(listed)
    assert len(set(listed)) == len(listed)


def test_a_clip_begins_with_a_picture_that_was_uploaded_as_a_file(stack: Stack, filmed: Filmed) -> None:
    client, picture = stack.client(), png()
    file = client.files.create(file=("begin.png", picture), purpose="vision")
    assert client.files.content(file.id).content == picture
    assert file.id in [each.id for each in client.files.list(purpose="vision")]
    wish = {**ASKED, "input_reference[file_id]": file.id}
    video = client.videos.create_and_poll(model="shapes-motion", prompt=PROMPT, extra_body=wish)
    assert video.status == "completed", video.error
    assert (extra(video)["reference_id"], extra(video)["keyframe_id"]) == (file.id, None)
    assert get(stack, f"/v1/artifacts/{file.id}").json()["children"] == [extra(video)["artifact_id"]]
    assert client.videos.delete(video.id).deleted
    assert client.files.delete(file.id).deleted


def test_an_export_has_the_clip_its_picture_and_what_is_known_of_them(stack: Stack, filmed: Filmed) -> None:
    wanted = {"video": extra(filmed.video)["artifact_id"], "image": extra(filmed.video)["keyframe_id"]}
    with zipfile.ZipFile(io.BytesIO(get(stack, "/v1/artifacts/export?q=red+circle").content)) as archive:
        assert archive.testzip() is None
        for kind, artifact_id in wanted.items():
            known = json.loads(archive.read(f"{kind}/{artifact_id}.meta.json"))
            data = archive.read(f"{kind}/{artifact_id}.{'mp4' if kind == 'video' else 'png'}")
            assert (known["prompt"], known["sha256"]) == (PROMPT, hashlib.sha256(data).hexdigest())


def test_a_job_that_is_deleted_while_it_runs_stops_within_a_step(stack: Stack, motion: httpx.Client) -> None:
    client = stack.client()
    video = client.videos.create(model="shapes-motion", prompt=PROMPT, extra_body=LONG)
    wait_for_a_step(stack, video)
    assert client.videos.delete(video.id).deleted
    done = steps(motion)
    eventually(lambda: metric(motion, "roundhouse_requests_running") == 0, "nothing runs in the engine", 30)
    assert steps(motion) - done <= 1
    assert video.id not in [each.id for each in client.videos.list()]


def test_a_clip_outlives_a_proxy_that_is_killed_while_it_is_made(stack: Stack, filmed: Filmed) -> None:
    client = stack.client()
    wish = {"num_inference_steps": 40, "seed": SEED}
    video = client.videos.create(model="shapes-motion", prompt=PROMPT, extra_body=wish)
    wait_for_a_step(stack, video)
    stack.processes["proxy"].kill()
    stack.processes.pop("proxy").wait(60)
    stack.start("proxy")
    with events(stack, filmed.events[-1].id) as heard:  # of the proxy before: the lists must be looked at
        assert next(heard).kind == "reset"
    after = client.videos.poll(video.id)
    assert after.status == "completed", after.error
    assert (extra(after)["restarted"], extra(after)["runs"]) == (True, 2)
    made = get(stack, f"/v1/artifacts/{extra(after)['artifact_id']}").json()
    assert made["parents"] == [extra(after)["keyframe_id"]]
    twins = get(stack, f"/v1/artifacts?since={int(after.created_at)}&kind=video").json()["data"]
    assert [each["id"] for each in twins] == [made["id"]]
