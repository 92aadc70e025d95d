"""Clips: steps as they are done, and at the end an MP4 that plays everywhere."""

import base64
import json

import pytest

from tests.images.pictures import opened, png
from tests.images.server import Engine, Engines

FILMED = "/v1/videos/generations"


@pytest.fixture(scope="module")
def svd(engine: Engines) -> Engine:
    return engine("svd")


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


def film(engine: Engine, **fields: str) -> list[dict[str, object]]:
    with engine.http() as client:
        answer = client.post(FILMED, data={"num_inference_steps": "2", "seed": "5", **fields}, files={"image": png()})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events(answer.text)


def test_a_picture_becomes_a_clip_with_its_steps_told(svd: Engine) -> None:
    *steps, last = film(svd, num_frames="4", fps="4")
    assert [(step["type"], step["step"], step["steps"]) for step in steps] == [
        ("video.progress", 1, 2),
        ("video.progress", 2, 2),
    ]
    assert (last["type"], last["frames"], last["fps"], last["seconds"], last["seed"]) == (
        "video.completed",
        4,
        4,
        1.0,
        5,
    )
    clip = base64.b64decode(str(last["b64_json"]))
    assert clip[4:8] == b"ftyp"
    assert clip.index(b"moov") < clip.index(b"mdat")
    assert b"avc1" in clip
    assert f'"seed": {last["seed"]}'.encode() in clip


def test_a_clip_comes_with_a_thumbnail_and_a_sheet_of_its_frames(svd: Engine) -> None:
    last = film(svd, num_frames="5", fps="4")[-1]
    width, height = int(str(last["width"])), int(str(last["height"]))
    assert opened(str(last["thumbnail_b64"])).size == (width, height)
    assert opened(str(last["spritesheet_b64"])).size == (3 * width, 2 * height)


def test_the_same_clip_has_the_same_bytes_and_another_motion_has_others(svd: Engine) -> None:
    one, two = (film(svd, num_frames="2", motion_bucket_id="10")[-1]["b64_json"] for _ in range(2))
    other = film(svd, num_frames="2", motion_bucket_id="250")[-1]["b64_json"]
    assert one == two
    assert one != other


def test_json_with_a_picture_inside_is_taken_too(svd: Engine) -> None:
    image = "data:image/png;base64," + base64.b64encode(png()).decode()
    body = {"image": image, "seconds": 0.5, "fps": 4, "num_inference_steps": 1}
    with svd.http() as client:
        answer = client.post(FILMED, json=body)
    assert events(answer.text)[-1]["frames"] == 2


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "x"}, "image"),
        ({"motion_bucket_id": 256}, "motion_bucket_id"),
        ({"motion_bucket_id": 1.5}, "motion_bucket_id"),
        ({"noise_aug_strength": 11}, "noise_aug_strength"),
        ({"seconds": 10**9}, "seconds"),
        ({"num_frames": 0}, "num_frames"),
        ({"fps": 0}, "fps"),
        ({"n": 2}, "n"),
        ({"image": "AAAA", "prompt": "x"}, "prompt"),
        ({"image": "AAAA", "strength": 0.5}, "strength"),
        ({"image": "AAAA"}, "image"),
    ],
    ids=str,
)
def test_what_a_clip_cannot_be_is_refused_by_name(svd: Engine, body: dict[str, object], param: str) -> None:
    with svd.http() as client:
        answer = client.post(FILMED, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


def test_a_model_of_clips_makes_no_pictures(svd: Engine) -> None:
    with svd.http() as client:
        answer = client.post("/v1/images/generations", json={"prompt": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "wrong_model_type")
