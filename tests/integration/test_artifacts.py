"""Real pictures, kept: told by address, made again to the same bytes, and who was made from whom."""

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image, ImageChops

from tests.integration.stack import Stack, eventually

PROMPT = "a red circle on a blue background"

pytestmark = pytest.mark.timeout(600)


def get(stack: Stack, path: str) -> httpx.Response:
    return httpx.get(stack.base_url + path, trust_env=False).raise_for_status()


def again(stack: Stack, artifact_id: str) -> httpx.Response:
    path = f"/v1/artifacts/{artifact_id}/reproduce"
    return httpx.post(stack.base_url + path, trust_env=False, timeout=300).raise_for_status()


def picture(stack: Stack, artifact_id: str) -> Image.Image:
    return Image.open(io.BytesIO(get(stack, f"/v1/artifacts/{artifact_id}/content").content))


def test_a_real_picture_is_told_by_its_address_and_made_again_to_the_same_bytes(stack: Stack) -> None:
    made = stack.client().images.generate(model="shapes", prompt=PROMPT, size="64x64", response_format="url")
    (one,) = made.data or []
    answer = httpx.get(one.url or "", trust_env=False).raise_for_status()
    assert answer.headers["content-type"] == "image/png"
    kept = get(stack, f"/v1/artifacts/{(one.url or '').split('/')[-2]}").json()
    assert (kept["model"], kept["prompt"], kept["width"], kept["height"]) == ("shapes", PROMPT, 64, 64)
    assert kept["seed"] == (one.model_extra or {})["seed"]
    told = again(stack, kept["id"]).json()
    assert told["equal"] is True
    assert told["artifact"]["seed"] == kept["seed"]


def test_a_picture_of_two_made_in_one_batch_is_made_again_alone_but_for_roundings(stack: Stack) -> None:
    made = stack.client().images.generate(model="shapes", prompt=PROMPT, size="64x64", n=2, response_format="url")
    second = ((made.data or [])[1].url or "").split("/")[-2]
    told = again(stack, second).json()
    difference = ImageChops.difference(picture(stack, told["artifact"]["id"]), picture(stack, second))
    most = max(difference.tobytes())
    assert most <= 1, "sums are taken in another order in a batch: a value may round the other way"
    assert told["equal"] is (most == 0)


def test_a_real_edit_knows_its_picture_and_is_made_again(stack: Stack) -> None:
    client = stack.client()
    made = client.images.generate(model="shapes", prompt=PROMPT, size="64x64", response_format="url")
    picture = httpx.get((made.data or [])[0].url or "", trust_env=False).content
    edited = client.images.edit(
        model="shapes",
        prompt="a yellow circle on a blue background",
        image=("circle.png", picture),
        response_format="url",
        extra_body={"strength": 0.8, "seed": 3},
    )
    address = (edited.data or [])[0].url or ""
    kept = get(stack, f"/v1/artifacts/{address.split('/')[-2]}").json()
    (parent,) = kept["parents"]
    assert get(stack, f"/v1/artifacts/{parent}/content").content == picture
    assert get(stack, f"/v1/artifacts/{parent}").json()["children"] == [kept["id"]]
    assert again(stack, kept["id"]).json()["equal"] is True
    assert Image.open(io.BytesIO(httpx.get(address, trust_env=False).content)).size == (64, 64)


def test_a_picture_that_is_asked_for_in_the_background_is_the_one_that_comes_at_once(stack: Stack) -> None:
    client = stack.client()
    wish = {"model": "shapes", "prompt": PROMPT, "size": "64x64", "n": 2}
    handed_in = client.images.generate(**wish, extra_body={"seed": 21, "background": True})  # type: ignore[call-overload]
    job_id = handed_in.model_extra["id"]

    def job() -> dict[str, Any]:
        told: dict[str, Any] = get(stack, f"/v1/jobs/{job_id}").json()
        return told

    assert job()["object"] == "image.job"
    eventually(lambda: job()["status"] not in {"queued", "in_progress"}, "the job is over", 300)
    done = job()
    assert (done["status"], done["progress"], done["error"]) == ("completed", 100, None)
    pictures = [httpx.get(each["url"], trust_env=False).raise_for_status().content for each in done["data"]]
    at_once = client.images.generate(**wish, extra_body={"seed": 21})  # type: ignore[call-overload]
    assert [base64.b64encode(picture).decode() for picture in pictures] == [each.b64_json for each in at_once.data]
    assert httpx.delete(f"{stack.base_url}/v1/jobs/{job_id}", trust_env=False).json()["deleted"] is True
