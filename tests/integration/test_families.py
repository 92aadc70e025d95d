"""Every pipeline family as a tiny model in a real container: manager, proxy and engine, one after another."""

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.images.pictures import encoded, gradient, mask, opened
from tests.images.server import tiny_models
from tests.integration.stack import Stack, running

# The work that a family is asked for; what else it does is tested without containers, in tests/images/families/.
DRAW = ("sd15", "sdxl", "lcm", "sd3", "flux-schnell", "flux2-klein", "qwen-image", "z-image")
EDIT = ("instruct-pix2pix", "qwen-image-edit", "qwen-image-edit-plus", "flux-kontext", "upscale")
FILL = ("sd15-inpaint", "flux-fill")
FILM = {"svd": 3, "wan": 5, "wan-image": 5, "ltx": 9, "cogvideox": 9, "animatediff": 4}  # frames
# Each run shows that the image draws, edits, fills and films; the long suite, that it does so for every family.
ALWAYS = {"sd15", "sd3", "flux2-klein", "qwen-image-edit-plus", "instruct-pix2pix", "sd15-inpaint", "svd", "wan", "ltx"}
OF_PICTURES = {"svd", "wan-image"}
SEVERAL = {"qwen-image-edit-plus"}

pytestmark = [pytest.mark.engine, pytest.mark.docker, pytest.mark.timeout(900)]


def each(names: Iterable[str]) -> list[object]:
    """Those of every run, and the rest in the long suite."""
    return [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.long) for name in names]


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose models are the tiny ones."""
    folder = tmp_path_factory.mktemp("families")
    with running(Stack("docker", folder, "rhfamilies", "sd15", tiny_models(), catalogue(folder))) as stack:
        yield stack


def catalogue(folder: Path) -> Path:
    types = dict.fromkeys(DRAW, "image") | dict.fromkeys((*EDIT, *FILL), "edit") | dict.fromkeys(FILM, "video")
    entries = {name: {"type": kind, "source": f"./{name}", "memory": "1GiB"} for name, kind in types.items()}
    file = folder / "models.json"
    file.write_text(json.dumps(entries))
    return file


@pytest.mark.parametrize("name", each(DRAW))
def test_a_family_draws(families: Stack, name: str) -> None:
    made = families.client().images.generate(
        model=name, prompt="a cat", extra_body={"seed": 1, "num_inference_steps": 2}
    )
    assert made.data
    image = opened(made.data[0].b64_json)
    assert (made.model_extra or {}).get("size", made.size) == f"{image.width}x{image.height}"
    families.of(name).unload()


@pytest.mark.parametrize("name", each(EDIT))
def test_a_family_edits(families: Stack, name: str) -> None:
    picture = encoded(gradient())
    made = families.client().images.edit(
        model=name,
        image=[picture, picture] if name in SEVERAL else picture,
        prompt="make it red",
        extra_body={"seed": 1, "num_inference_steps": 2},
    )
    assert made.data
    assert opened(made.data[0].b64_json).width >= 8
    families.of(name).unload()


@pytest.mark.parametrize("name", each(FILL))
def test_a_family_paints_what_a_mask_marks(families: Stack, name: str) -> None:
    before = gradient()
    made = families.client().images.edit(
        model=name,
        image=encoded(before),
        mask=mask(64, 64, (0, 0, 32, 64)),
        prompt="a cat",
        extra_body={"seed": 1, "num_inference_steps": 2},
    )
    assert made.data
    after = opened(made.data[0].b64_json).convert("RGB")
    assert after.crop((32, 0, 64, 64)).tobytes() == before.crop((32, 0, 64, 64)).tobytes()
    families.of(name).unload()


@pytest.mark.parametrize("name", each(FILM))
def test_a_family_films(families: Stack, name: str) -> None:
    film = families.of(name)
    film.load()
    body: dict[str, object] = {"model": name, "seed": 1, "num_inference_steps": 2, "size": "64x64"}
    body["num_frames"] = FILM[name]
    body |= {} if name == "svd" else {"prompt": "a cat"}
    if name in OF_PICTURES:
        body["image"] = base64.b64encode(encoded(gradient())).decode()
    with httpx.stream(
        "POST", f"{film.engine_address()}/v1/videos/generations", json=body, timeout=120, trust_env=False
    ) as answer:
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    assert [event["type"] for event in events[:-1]] == ["video.progress"] * 2, events
    assert base64.b64decode(events[-1]["b64_json"])[4:8] == b"ftyp"
    film.unload()
