"""The real SDK against a real server: pictures made, edited and varied."""

import base64
import io
import json
import warnings
from collections.abc import Callable

import httpx
import pytest
from openai import OpenAI
from openai.types import ImagesResponse
from PIL import Image

from tests.images.pictures import encoded, gradient, mask, opened, png, same, words_of
from tests.images.server import Engine, Engines

QUICK = {"num_inference_steps": 3, "seed": 11}
HOW = 0x9286  # EXIF's user comment


@pytest.fixture(scope="module")
def sd15(engine: Engines) -> Engine:
    return engine("sd15")


@pytest.fixture
def sdk(sd15: Engine) -> OpenAI:
    return sd15.sdk()


def pictures(answer: ImagesResponse) -> list[Image.Image]:
    return [opened(item.b64_json) for item in answer.data or []]


def seeds(answer: ImagesResponse) -> list[int]:
    return [item.model_dump()["seed"] for item in answer.data or []]


def test_a_picture_has_the_model_s_own_size_and_the_answer_says_how_it_was_made(sdk: OpenAI) -> None:
    answer = sdk.images.generate(prompt="a red circle", model="sd15", extra_body=QUICK)
    assert [image.size for image in pictures(answer)] == [(64, 64)]
    assert (answer.size, answer.quality, answer.background, answer.output_format) == (
        "64x64",
        "medium",
        "opaque",
        "png",
    )
    assert answer.usage is not None
    told = (answer.data or [])[0].model_dump()
    assert (told["seed"], told["steps"], told["guidance"], told["flagged"]) == (11, 3, 7.5, False)
    assert told["scheduler"] == "DDIMScheduler"
    assert told["revision"].startswith("sha256:")


def test_several_pictures_are_those_of_the_seeds_that_follow(sdk: OpenAI) -> None:
    answer = sdk.images.generate(prompt="x", n=4, extra_body=QUICK)
    assert seeds(answer) == [11, 12, 13, 14]
    third = sdk.images.generate(prompt="x", extra_body=QUICK | {"seed": 13})
    together, alone = pictures(answer)[2], pictures(third)[0]
    worst = max(_difference(together, alone).tobytes())
    assert worst <= 1
    assert not same(pictures(answer)[0], pictures(answer)[1])


def _difference(left: Image.Image, right: Image.Image) -> Image.Image:
    pairs = zip(left.tobytes(), right.tobytes(), strict=True)
    return Image.frombytes("RGB", left.size, bytes(abs(one - other) for one, other in pairs))


def test_the_same_request_gives_the_same_bytes(sdk: OpenAI) -> None:
    first, second = (sdk.images.generate(prompt="x", extra_body=QUICK) for _ in range(2))
    assert (first.data or [])[0].b64_json == (second.data or [])[0].b64_json


def test_a_seed_that_was_drawn_is_told_and_makes_the_picture_again(sdk: OpenAI) -> None:
    drawn = sdk.images.generate(prompt="x", extra_body={"num_inference_steps": 3})
    again = sdk.images.generate(prompt="x", extra_body={"num_inference_steps": 3, "seed": seeds(drawn)[0]})
    other = sdk.images.generate(prompt="x", extra_body={"num_inference_steps": 3})
    assert (drawn.data or [])[0].b64_json == (again.data or [])[0].b64_json
    assert seeds(other) != seeds(drawn)


@pytest.mark.parametrize(("output_format", "kind"), [("png", "PNG"), ("webp", "WEBP"), ("jpeg", "JPEG")])
def test_every_format_is_what_it_says_and_carries_how_it_was_made(sdk: OpenAI, output_format: str, kind: str) -> None:
    body = QUICK | {"output_format": output_format, "negative_prompt": "blurry"}
    answer = sdk.images.generate(prompt="a ünïcode circle", extra_body=body)
    image = pictures(answer)[0]
    assert (image.format, answer.output_format) == (kind, output_format)
    how = json.loads(_comment(image) if kind != "PNG" else words_of(image)["roundhouse"])
    told = (answer.data or [])[0].model_dump()
    assert how["prompt"] == "a ünïcode circle"
    assert how["negative_prompt"] == "blurry"
    assert {name: how[name] for name in ("seed", "steps", "scheduler", "guidance", "revision")} == {
        name: told[name] for name in ("seed", "steps", "scheduler", "guidance", "revision")
    }


def _comment(image: Image.Image) -> bytes:
    comment: bytes = image.getexif().get_ifd(0x8769)[HOW]
    return comment.removeprefix(b"ASCII\0\0\0")


def test_a_png_also_says_it_in_the_words_of_other_tools(sdk: OpenAI) -> None:
    image = pictures(sdk.images.generate(prompt="x", extra_body=QUICK | {"negative_prompt": "y"}))[0]
    prompt, negative, rest = words_of(image)["parameters"].splitlines()
    assert (prompt, negative) == ("x", "Negative prompt: y")
    assert rest.startswith("Steps: 3, Sampler: DDIMScheduler, CFG scale: 7.5, Seed: 11, Size: 64x64, Model: sd15")


def test_more_compression_makes_a_smaller_file(sdk: OpenAI) -> None:
    sizes = [
        len(base64.b64decode((answer.data or [])[0].b64_json or ""))
        for answer in (
            sdk.images.generate(prompt="x", output_format="jpeg", output_compression=quality, extra_body=QUICK)
            for quality in (10, 90)
        )
    ]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize(("quality", "steps", "told"), [("low", 13, "low"), ("hd", 38, "high"), ("max", 50, "max")])
def test_quality_is_a_factor_of_the_model_s_own_steps(sd15: Engine, quality: str, steps: int, told: str) -> None:
    with sd15.http() as client:
        answer = client.post("/v1/images/generations", json={"prompt": "x", "quality": quality}).json()
    assert (answer["data"][0]["steps"], answer["quality"]) == (steps, told)


def test_a_prompt_a_size_and_a_scheduler_each_change_the_picture(sdk: OpenAI) -> None:
    plain = pictures(sdk.images.generate(prompt="a red circle", extra_body=QUICK))[0]
    other = pictures(sdk.images.generate(prompt="a blue star", extra_body=QUICK))[0]
    euler = pictures(sdk.images.generate(prompt="a red circle", extra_body=QUICK | {"scheduler": "euler_a"}))[0]
    wide = pictures(sdk.images.generate(prompt="a red circle", size="128x64", extra_body=QUICK))[0]
    assert not same(plain, other)
    assert not same(plain, euler)
    assert wide.size == (128, 64)


def test_only_what_the_mask_marks_is_painted_anew(sdk: OpenAI) -> None:
    given = gradient()
    answer = sdk.images.edit(image=png(), mask=mask(), prompt="x", extra_body=QUICK)
    image = pictures(answer)[0]
    assert not same(image, given, (0, 0, 32, 32))
    assert same(image, given, (32, 0, 64, 64))
    assert same(image, given, (0, 32, 32, 64))


def test_a_picture_s_own_transparency_is_the_mask_so_that_it_can_be_continued(sdk: OpenAI) -> None:
    canvas = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    canvas.paste(gradient(32, 32), (16, 16))
    image = pictures(sdk.images.edit(image=encoded(canvas), prompt="x", extra_body=QUICK))[0]
    assert same(image.crop((16, 16, 48, 48)), gradient(32, 32))
    assert len(image.crop((0, 0, 64, 16)).getcolors(4096) or []) > 16


def test_strength_changes_what_an_edit_makes(sdk: OpenAI) -> None:
    body = {"num_inference_steps": 10, "seed": 1}
    little = pictures(sdk.images.edit(image=png(), prompt="x", extra_body=body | {"strength": 0.2}))[0]
    much = pictures(sdk.images.edit(image=png(), prompt="x", extra_body=body | {"strength": 1.0}))[0]
    assert not same(little, much)


@pytest.mark.parametrize(
    ("given", "made"),
    [((64, 64), (64, 64)), ((128, 128), (64, 64)), ((256, 64), (128, 64)), ((200, 100), (88, 64))],
)
def test_an_edit_has_the_picture_s_own_shape_in_the_model_s_area(
    sdk: OpenAI, given: tuple[int, int], made: tuple[int, int]
) -> None:
    """A side is never less than the model's least, here 64."""
    answer = sdk.images.edit(image=png(*given), prompt="x", extra_body=QUICK)
    assert pictures(answer)[0].size == made
    assert answer.size == f"{made[0]}x{made[1]}"


def test_the_sdk_s_list_of_one_picture_is_taken_and_one_of_two_is_not(sd15: Engine, sdk: OpenAI) -> None:
    assert len(pictures(sdk.images.edit(image=[png()], prompt="x", extra_body=QUICK))) == 1
    parts = [("image[]", ("a.png", png(), "image/png"))] * 2
    with sd15.http() as client:
        answer = client.post("/v1/images/edits", data={"prompt": "x"}, files=parts)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "image")


def test_a_family_that_takes_several_pictures_sees_each_of_them(engine: Engines) -> None:
    sdk = engine("flux2-klein").sdk()
    red, blue = (encoded(Image.new("RGB", (64, 64), colour)) for colour in ("red", "blue"))
    body = {"num_inference_steps": 2, "seed": 3}
    both = pictures(sdk.images.edit(image=[red, blue], prompt="x", extra_body=body))[0]
    first = pictures(sdk.images.edit(image=[red], prompt="x", extra_body=body))[0]
    swapped = pictures(sdk.images.edit(image=[blue, red], prompt="x", extra_body=body))[0]
    assert not same(both, first)
    assert not same(both, swapped)


def test_variations_differ_from_each_other(sdk: OpenAI) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        answer = sdk.images.create_variation(image=png(), n=2, extra_body=QUICK)
    assert seeds(answer) == [11, 12]
    first, second = pictures(answer)
    assert not same(first, second)


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees to see it
    return encoded(gradient(128, 64), "JPEG", exif=exif.tobytes())


UPRIGHT: dict[str, Callable[[], bytes]] = {
    "turned by EXIF": _turned,
    "CMYK": lambda: encoded(gradient().convert("CMYK"), "JPEG", quality=95),
    "sixteen bits": lambda: encoded(gradient(mode="L").convert("I;16")),
    "a palette": lambda: encoded(gradient().convert("P")),
    "grey with alpha": lambda: encoded(gradient(mode="LA")),
    "one bit": lambda: encoded(gradient(mode="1")),
    "WebP": lambda: encoded(gradient(), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", UPRIGHT)
def test_every_usual_kind_of_picture_is_taken(sdk: OpenAI, name: str) -> None:
    body = QUICK | {"strength": 0.1}
    image = pictures(sdk.images.edit(image=UPRIGHT[name](), prompt="x", size="auto", extra_body=body))[0]
    assert image.size == ((64, 88) if name == "turned by EXIF" else (64, 64))


def test_transparent_parts_of_a_palette_are_a_mask_too(sdk: OpenAI) -> None:
    canvas = gradient().convert("RGBA")
    canvas.paste((0, 0, 0, 0), (0, 0, 32, 64))
    given = encoded(canvas.quantize(64))
    image = pictures(sdk.images.edit(image=given, prompt="x", extra_body=QUICK))[0]
    assert same(image, Image.open(io.BytesIO(given)).convert("RGBA"), (32, 0, 64, 64))


def test_a_form_says_the_same_as_json_would(sd15: Engine) -> None:
    fields = {
        "prompt": "x",
        "seed": "11",
        "num_inference_steps": "3",
        "guidance_scale": "5",
        "strength": "0.5",
        "n": "1",
    }
    with sd15.http() as client:
        answer = client.post("/v1/images/edits", data=fields, files={"image": ("a.png", png())})
    assert answer.status_code == 200, answer.text
    told = answer.json()["data"][0]
    assert (told["seed"], told["steps"], told["guidance"], told["strength"]) == (11, 3, 5.0, 0.5)


def test_a_request_s_id_is_taken_over_and_made_where_there_is_none(sd15: Engine) -> None:
    with sd15.http() as client:
        assert client.get("/health", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
        made = [client.get("/nothing", headers={"x-request-id": "a b"}).headers["x-request-id"] for _ in range(2)]
    assert len({*made, "a b"}) == 3


def test_who_asked_is_told_back(sdk: OpenAI, sd15: Engine) -> None:
    both = httpx.post(
        f"{sd15.base_url}/v1/images/generations",
        json={"prompt": "x", "user": "u", "safety_identifier": "s", **QUICK},
        timeout=60,
    )
    assert both.json()["safety_identifier"] == "s"
    assert sdk.images.generate(prompt="x", user="u", extra_body=QUICK).safety_identifier == "u"
