"""The diffusion upscalers, each from a tiny model, through the engine's HTTP server."""

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.images.families.filming import SECONDS, picture
from tests.images.families.torch_side import probe
from tests.images.server import Engines

SCALES = {"upscale": 4, "latent-upscale": 2}
upscalers = pytest.mark.parametrize(("model", "scale"), SCALES.items())
# Neither side fits the steps in which the networks take sizes.
SIZE = (37, 29)


def url(engine: Engines, model: str) -> str:
    return engine(model, "--types", "edit").base_url


def post(where: str, file: bytes, **fields: object) -> httpx.Response:
    data = {"prompt": "a red circle", "seed": "1", "num_inference_steps": "3"} | fields
    sent: dict[str, Any] = {name: str(value) for name, value in data.items()}
    return httpx.post(
        f"{where}/v1/images/edits", data=sent, files={"image": ("a.png", file)}, timeout=SECONDS, trust_env=False
    )


def enlarged(where: str, colour: str = "red", **fields: object) -> Image.Image:
    answer = post(where, picture(colour, SIZE), **fields)
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(base64.b64decode(answer.json()["data"][0]["b64_json"])))


def refused_for(where: str, **fields: object) -> str:
    answer = post(where, picture("red", SIZE), **fields)
    assert answer.status_code == 400, answer.text
    param: str = answer.json()["error"]["param"]
    return param


@upscalers
def test_a_picture_becomes_exactly_so_many_times_as_large(engine: Engines, model: str, scale: int) -> None:
    assert enlarged(url(engine, model)).size == (SIZE[0] * scale, SIZE[1] * scale)


@upscalers
def test_the_result_hangs_on_seed_prompt_and_picture_alone(engine: Engines, model: str, scale: int) -> None:
    where = url(engine, model)
    made = enlarged(where).tobytes()
    assert enlarged(where).tobytes() == made
    assert enlarged(where, seed=2).tobytes() != made
    assert enlarged(where, prompt="something else entirely").tobytes() != made
    assert enlarged(where, colour="blue").tobytes() != made


@upscalers
def test_only_the_size_that_it_makes_can_be_asked_for(engine: Engines, model: str, scale: int) -> None:
    own = f"{SIZE[0] * scale}x{SIZE[1] * scale}"
    assert enlarged(url(engine, model), size=own).size == (SIZE[0] * scale, SIZE[1] * scale)
    assert refused_for(url(engine, model), size="128x128") == "size"


def test_the_noise_that_hides_details_can_be_set_within_its_bounds(engine: Engines) -> None:
    where = url(engine, "upscale")
    assert enlarged(where, noise_level=200).tobytes() != enlarged(where).tobytes()
    assert refused_for(where, noise_level=351) == "noise_level"
    assert refused_for(url(engine, "latent-upscale"), noise_level=20) == "noise_level"


def test_the_latent_upscaler_keeps_its_own_scheduler(engine: Engines) -> None:
    assert refused_for(url(engine, "latent-upscale"), scheduler="ddim") == "scheduler"


@upscalers
def test_several_at_once_have_a_seed_each(engine: Engines, model: str, scale: int) -> None:
    answer = post(url(engine, model), picture("red", SIZE), n=2)
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["data"]
    assert (first["seed"], second["seed"]) == (1, 2)
    assert first["b64_json"] != second["b64_json"]


def test_a_called_off_picture_ends_within_one_step() -> None:
    expected = {"steps": [1], "made": 0, "the next is the same": True}
    assert probe("stopping", *SCALES) == dict.fromkeys(SCALES, expected)
