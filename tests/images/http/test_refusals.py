"""What a request may not say: each is refused with its parameter's name, and nothing is ever passed over."""

import http.client
import json
from typing import Any

import pytest

from tests.images.pictures import encoded, gradient, mask, png
from tests.images.server import Engine, Engines
from tests.images.warm.engine_python import ROOT

MADE, EDITED, VARIED = "/v1/images/generations", "/v1/images/edits", "/v1/images/variations"


@pytest.fixture(scope="module")
def sd15(engine: Engines) -> Engine:
    return engine("sd15")


def error_of(engine: Engine, path: str, **request: Any) -> tuple[int, str, str | None]:  # noqa: ANN401 - httpx has its own
    """Status, code and param of an answer that has to be an error in the house's own shape."""
    with engine.http() as client:
        answer = client.post(path, **request)
    assert set(answer.json()) == {"error"}, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "origin"}
    assert error["origin"] == "engine"
    assert error["message"].strip()
    assert str(ROOT) not in answer.text
    return answer.status_code, error["code"], error["param"]


UNSUPPORTED = [
    {"style": "vivid"},
    {"svg": {"model": "x"}},
    {"complexity": "high"},
    {"frame_count": 3},
    {"frame_duration_ms": 100},
    {"markup": "x"},
    {"input_fidelity": "high"},
    {"background": "transparent"},
    {"output_format": "gif"},
    {"output_format": "svg"},
    {"response_format": "url"},
    {"output_compression": 50},
    {"partial_images": 2},
    {"progress": True},
    {"strength": 0.5},
    {"image_guidance_scale": 1.5},
    {"negative_prompt": "x", "guidance_scale": 1.0},
]


@pytest.mark.parametrize("field", UNSUPPORTED, ids=str)
def test_what_cannot_be_honoured_is_refused_by_name(sd15: Engine, field: dict[str, object]) -> None:
    told = error_of(sd15, MADE, json={"prompt": "x", **field})
    assert told == (400, "unsupported_parameter", next(iter(field)))


INVALID = [
    ("prompt", ""),
    ("prompt", "x" * 32_001),
    ("prompt", 7),
    ("prompt", "a\0b"),
    ("prompt", ["x"]),
    ("n", 0),
    ("n", 11),
    ("n", 10**9),
    ("n", "1"),
    ("n", True),
    ("n", 1.5),
    ("size", "big"),
    ("size", "0x64"),
    ("size", "64x64x64"),
    ("size", "-64x64"),
    ("size", "99999x99999"),
    ("size", "8x8"),
    ("size", "65x64"),
    ("size", "4096x4096"),
    ("quality", "best"),
    ("output_format", "bmp"),
    ("output_compression", 101),
    ("output_compression", -1),
    ("partial_images", 4),
    ("stream", "true"),
    ("seed", -1),
    ("seed", 2**63),
    ("seed", 2**70),
    ("seed", "1"),
    ("seed", 1.0),
    ("num_inference_steps", 0),
    ("num_inference_steps", 201),
    ("num_inference_steps", 10**9),
    ("guidance_scale", -0.1),
    ("guidance_scale", 51),
    ("guidance_scale", "7"),
    ("guidance_scale", True),
    ("strength", 0),
    ("strength", 1.01),
    ("loras", "x"),
    ("loras", [{"name": "x"}] * 9),
    ("scheduler", ""),
    ("moderation", "high"),
    ("user", "x" * 513),
]


@pytest.mark.parametrize(("param", "value"), INVALID, ids=lambda part: str(part)[:30])
def test_a_value_out_of_bounds_is_refused_by_name(sd15: Engine, param: str, value: object) -> None:
    told = error_of(sd15, MADE, json={"prompt": "x", param: value})
    assert told == (400, "invalid_value", param)


DEEP = [
    ({"loras": [{"name": "a"}, {"name": "b", "scale": "1"}]}, "loras[1].scale"),
    ({"loras": [{"name": "a", "scale": 5}]}, "loras[0].scale"),
    ({"controlnet": {"name": "a", "image": "http://127.0.0.1/x.png"}}, "controlnet.image"),
    ({"controlnet": {"name": "a", "image": "data:text/html;base64,AAAA"}}, "controlnet.image"),
    ({"controlnet": {"name": "a", "image": "AAAA"}}, "controlnet.image"),
    ({"ip_adapter": {"name": "a", "image": "%%%"}}, "ip_adapter.image"),
]


@pytest.mark.parametrize(("field", "param"), DEEP, ids=str)
def test_what_is_wrong_inside_an_object_is_named_with_its_place(
    sd15: Engine, field: dict[str, object], param: str
) -> None:
    assert error_of(sd15, MADE, json={"prompt": "x", **field}) == (400, "invalid_value", param)


OTHERS = [
    ({"prompt": "x", "nonsense": 1}, "unknown_parameter", "nonsense"),
    ({"prompt": "x", "loras": [{"name": "a", "path": "b"}]}, "unknown_parameter", "loras[0].path"),
    ({"n": 1}, "missing_required_parameter", "prompt"),
    ({"prompt": None}, "missing_required_parameter", "prompt"),
    ({"prompt": "x", "loras": [{"name": "../../x"}]}, "unknown_adapter", "loras"),
    ({"prompt": "x", "scheduler": "fastest"}, "unknown_scheduler", "scheduler"),
    ({"prompt": "x", "image": "AAAA"}, "invalid_value", "image"),
]


@pytest.mark.parametrize(("body", "code", "param"), OTHERS, ids=str)
def test_what_is_unknown_or_missing_is_named(sd15: Engine, body: dict[str, object], code: str, param: str) -> None:
    assert error_of(sd15, MADE, json=body) == (400, code, param)


def test_another_model_is_not_found(sd15: Engine) -> None:
    assert error_of(sd15, MADE, json={"prompt": "x", "model": "dall-e-3"}) == (404, "model_not_found", "model")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 5000, "-1e999"])
@pytest.mark.parametrize("param", ["guidance_scale", "seed"])
def test_numbers_that_are_none_are_refused(sd15: Engine, param: str, number: str) -> None:
    body = f'{{"prompt": "x", "{param}": {number}}}'.encode()
    status, code, _ = error_of(sd15, MADE, content=body, headers={"content-type": "application/json"})
    assert (status, code in {"invalid_json", "invalid_value"}) == (400, True)


NOT_JSON = {
    "nothing": b"",
    "cut short": b'{"prompt": "x"',
    "a list": b"[]",
    "a text": b'"x"',
    "deep": b"[" * 100_000,
    "deep and closed": b'{"prompt":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep enough": b'{"loras":' + b"[" * 40 + b"]" * 40 + b"}",
    "not UTF-8": b'{"prompt": "\xff"}',
    "UTF-16": '{"prompt": "x"}'.encode("utf-16"),
    "a key twice": b'{"prompt": "x", "prompt": "y"}',
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_a_body_that_is_no_json_object_is_refused(sd15: Engine, name: str) -> None:
    headers = {"content-type": "application/json"}
    assert error_of(sd15, MADE, content=NOT_JSON[name], headers=headers) == (400, "invalid_json", None)


def test_a_lone_surrogate_is_refused(sd15: Engine) -> None:
    headers = {"content-type": "application/json"}
    told = error_of(sd15, MADE, content=b'{"prompt": "\\ud800"}', headers=headers)
    assert told == (400, "invalid_value", "prompt")


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "multipart/form-data; boundary=x", "application/json; charset=utf-16"]
)
def test_a_body_of_another_kind_is_refused(sd15: Engine, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    told = error_of(sd15, MADE, content=b'{"prompt": "x"}', headers=headers)
    assert told == (415, "unsupported_media_type", None)


def test_an_edit_is_a_form_and_nothing_else(sd15: Engine) -> None:
    assert error_of(sd15, EDITED, json={"prompt": "x"})[0] == 415


@pytest.mark.parametrize(("method", "path", "status"), [("GET", MADE, 405), ("POST", "/v1/chat/completions", 404)])
def test_paths_and_methods_that_are_not_there_are_told_in_the_same_shape(
    sd15: Engine, method: str, path: str, status: int
) -> None:
    with sd15.http() as client:
        answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["origin"] == "engine"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(sd15: Engine) -> None:
    connection = http.client.HTTPConnection(sd15.base_url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", MADE)
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(10**12))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (413, "payload_too_large")
    connection.close()


FORMS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"data": {"prompt": "x"}, "files": {"other": b"x"}}, "unknown_parameter", "other"),
    ({"data": {"prompt": "x"}, "files": {"markup": png()}}, "unsupported_parameter", "markup"),
    ({"data": {"prompt": "x"}, "files": {"mask": mask()}}, "missing_required_parameter", "image"),
    ({"data": {"prompt": "x", "image": "text"}, "files": {"mask": mask()}}, "invalid_value", "image"),
    ({"data": {"prompt": "x", "n": "two"}, "files": {"image": png()}}, "invalid_value", "n"),
    ({"data": {"prompt": "x", "seed": "1.5"}, "files": {"image": png()}}, "invalid_value", "seed"),
    ({"data": {"prompt": "x", "stream": "yes"}, "files": {"image": png()}}, "invalid_value", "stream"),
    ({"data": {"prompt": "x", "strength": "nan"}, "files": {"image": png()}}, "invalid_value", "strength"),
    ({"data": {"prompt": ["x", "y"]}, "files": {"image": png()}}, "invalid_value", "prompt"),
    ({"data": {"prompt": "x"}, "files": [("image", png()), ("image", png())]}, "invalid_value", "image"),
    ({"data": {"prompt": "x"}, "files": [("image[]", png())] * 17}, "invalid_value", "image"),
    ({"data": {"prompt": "x", "loras": "[{]"}, "files": {"image": png()}}, "invalid_value", "loras"),
    (
        {"data": {"prompt": "x", "loras[][name]": "a", "loras[][scale]": "b"}, "files": {"image": png()}},
        "invalid_value",
        "loras[0].scale",
    ),
    ({"data": {"prompt": "x", "loras[0][x][y]": "a"}, "files": {"image": png()}}, "invalid_value", "loras"),
    ({"data": {"prompt": "x"}, "files": {"image": ("../../x.png", png())}}, "invalid_value", "image"),
    ({"data": {"prompt": "x"}, "files": [("image[]", png())] * 65}, "invalid_form", None),
]


@pytest.mark.parametrize(("request_", "code", "param"), FORMS, ids=lambda part: str(part)[:40])
def test_a_form_is_held_to_the_same(sd15: Engine, request_: dict[str, Any], code: str, param: str | None) -> None:
    assert error_of(sd15, EDITED, **request_) == (400, code, param)


def test_loras_of_a_form_are_read_in_each_of_three_ways(sd15: Engine) -> None:
    ways: list[dict[str, Any]] = [
        {"loras[][name]": ["a", "b"], "loras[][scale]": ["0.5", "1"]},
        {"loras[][name]": "a", "loras[][scale]": "0.5"},
        {"loras": json.dumps([{"name": "a", "scale": 0.5}])},
    ]
    for way in ways:
        told = error_of(sd15, EDITED, data={"prompt": "x", **way}, files={"image": png()})
        assert told == (400, "unknown_adapter", "loras")


BROKEN_FORMS = {
    "no boundary": ("multipart/form-data", b""),
    "a long boundary": (f"multipart/form-data; boundary={'x' * 300}", b""),
    "nothing inside": ("multipart/form-data; boundary=x", b""),
    "another boundary": ("multipart/form-data; boundary=x", b"--y\r\n\r\n--y--\r\n"),
    "no end": ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nhello'),
    "no name": ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
    "a form in a form": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n'
        b"--y--\r\n\r\n--x--\r\n",
    ),
    "a name in another script": (
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Disposition: form-data; name=\"image\"; filename*=utf-8''%00\r\n\r\na\r\n--x--\r\n",
    ),
}


@pytest.mark.parametrize("name", BROKEN_FORMS)
def test_a_broken_form_is_refused(sd15: Engine, name: str) -> None:
    kind, body = BROKEN_FORMS[name]
    told = error_of(sd15, EDITED, content=body, headers={"content-type": kind})
    assert told == (400, "invalid_form", None)


@pytest.mark.parametrize("field", ["stream", "partial_images", "progress"])
def test_variations_are_not_streamed(sd15: Engine, field: str) -> None:
    told = error_of(sd15, VARIED, data={field: "1"}, files={"image": png()})
    assert told == (400, "unsupported_parameter", field)


@pytest.mark.parametrize(
    "image",
    [mask(64, 32), png(), encoded(gradient(mode="L")), b"not a picture"],
    ids=["another size", "no alpha", "black and white", "no picture"],
)
def test_a_mask_that_is_none_is_refused(sd15: Engine, image: bytes) -> None:
    told = error_of(sd15, EDITED, data={"prompt": "x"}, files={"image": png(), "mask": image})
    assert told == (400, "invalid_value", "mask")


def test_a_mask_for_a_picture_that_exif_turns_has_the_turned_size(sd15: Engine) -> None:
    exif = gradient().getexif()
    exif[0x0112] = 6
    turned = encoded(gradient(128, 64), "JPEG", exif=exif.tobytes())
    told = error_of(sd15, EDITED, data={"prompt": "x"}, files={"image": turned, "mask": mask(128, 64)})
    assert told == (400, "invalid_value", "mask")


def test_a_model_that_makes_no_clips_says_what_it_does(sd15: Engine) -> None:
    told = error_of(sd15, "/v1/videos/generations", json={"prompt": "x"})
    assert told == (400, "wrong_model_type", "model")
