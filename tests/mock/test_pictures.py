"""Pictures from the mock engine: plain files of one colour, in the contract's own types."""

import base64
import io
import json

import pytest
from openai import OpenAI
from PIL import Image

from contract.images import CompletedImage, ImageProgress, ImagesResponse, PartialImage
from images.mock.server.pictures import canvas
from tests.mock.server import Mock


def colour_of(data: str) -> tuple[int, int, int]:
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.mode == "RGB"
    pixel = picture.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel[0], pixel[1], pixel[2]


def png(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "png")
    return out.getvalue()


def test_the_same_words_have_the_same_colour_and_others_another() -> None:
    red, again, other = (canvas(prompt, (), "auto", "png") for prompt in ("a fox", "a fox", "an owl"))
    assert red.colour == again.colour != other.colour
    assert canvas("a fox", (b"picture",), "auto", "png").colour != red.colour


def test_a_picture_is_made_as_the_sdk_asks_for_it(sdk: OpenAI) -> None:
    answer = sdk.images.generate(model="m", prompt="a fox", n=2, size="256x256")
    assert answer.data is not None
    first, second = (picture.b64_json or "" for picture in answer.data)
    assert colour_of(first) == colour_of(second) == canvas("a fox", (), "auto", "png").colour
    assert Image.open(io.BytesIO(base64.b64decode(first))).size == (256, 256)


def test_an_answer_keeps_the_contract(mock: Mock) -> None:
    body = {"prompt": "a fox", "seed": 7, "size": "64x32", "num_inference_steps": 3, "output_format": "webp"}
    with mock.http() as http:
        answer = ImagesResponse.model_validate_json(http.post("/v1/images/generations", json=body).content)
    assert (answer.size, answer.output_format, answer.data[0].seed, answer.data[0].steps) == ("64x32", "webp", 7, 3)


def test_a_stream_shows_steps_and_previews_and_ends_with_the_picture(mock: Mock) -> None:
    body = {"prompt": "a fox", "stream": True, "partial_images": 2, "progress": True}
    with mock.http() as http:
        text = http.post("/v1/images/generations", json=body).text
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert names == [event["type"] for event in events]
    steps = [ImageProgress.model_validate(event).step for event in events if event["type"].endswith("progress")]
    partial = [PartialImage.model_validate(event) for event in events if event["type"].endswith("partial_image")]
    assert steps == [1, 2, 3, 4]
    assert [preview.partial_image_index for preview in partial] == [0, 1]
    made = CompletedImage.model_validate(events[-1])
    assert colour_of(made.b64_json) == canvas("a fox", (), "auto", "png").colour != colour_of(partial[0].b64_json)


def test_an_edit_comes_of_the_picture_and_the_words(mock: Mock, sdk: OpenAI) -> None:
    before = png((255, 0, 0))
    edited = sdk.images.edit(model="m", image=before, prompt="a fox", n=1)
    assert edited.data is not None
    assert colour_of(edited.data[0].b64_json or "") == canvas("a fox", (before,), "auto", "png").colour
    with mock.http() as http:
        varied = http.post("/v1/images/variations", files={"image": before}, data={"n": "2", "size": "16x16"})
    assert len(varied.json()["data"]) == 2
    assert colour_of(varied.json()["data"][0]["b64_json"]) == canvas("", (before,), "auto", "png").colour


@pytest.mark.parametrize(
    ("path", "kind", "body", "status"),
    [
        ("generations", "application/json", b"{", 400),
        ("generations", "application/json", b"[]", 400),
        ("generations", "application/json", b'{"prompt":"a","size":"9999x1"}', 400),
        ("generations", "application/json", b'{"prompt":"a","nonsense":1}', 400),
        ("edits", "application/json", b"{}", 415),
        ("edits", "multipart/form-data; boundary=x", b"--y--", 400),
        ("edits", "multipart/form-data; boundary=x", b"--x--\r\n", 400),
    ],
)
def test_a_wrong_request_is_refused(mock: Mock, path: str, kind: str, body: bytes, status: int) -> None:
    with mock.http() as http:
        answer = http.post(f"/v1/images/{path}", content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]["origin"]) == (status, "engine")


def test_the_metrics_count_steps(mock: Mock, sdk: OpenAI) -> None:
    before = mock.metric("roundhouse_steps_total")
    sdk.images.generate(model="m", prompt="a fox", n=2)
    assert mock.metric("roundhouse_steps_total") - before == 8
