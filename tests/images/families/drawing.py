"""What the tests of picture families ask an engine for, and how they read its answers."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from tests.images.pictures import encoded, gradient, mask, opened
from tests.images.server import Engine

SECONDS = 240
SIZE = (64, 64)
COMMON: Mapping[str, object] = {"size": "64x64", "seed": 7, "num_inference_steps": 4}
PATHS: Mapping[str, str] = {"generate": "generations", "edit": "edits", "inpaint": "edits", "variation": "variations"}


@dataclass(frozen=True)
class Kind:
    """One kind of work of one tiny model, and which parameters have an effect on it."""

    model: str
    work: str = "generate"
    guidance: bool = True
    negative: bool = True
    strength: bool = False
    images: int = 0

    def __str__(self) -> str:
        return f"{self.model}-{self.work}"


def picture(angle: int = 0) -> bytes:
    return encoded(gradient(*SIZE).rotate(angle))


def sent(kind: Kind, changes: Mapping[str, object]) -> dict[str, Any]:
    """The arguments of the request: JSON, or a form with the pictures that this kind of work takes."""
    fields = {"prompt": "a red circle", **COMMON, **changes}
    turn = int(str(fields.pop("turn", 0)))
    if kind.work == "generate":
        return {"json": fields}
    name = "image[]" if kind.images > 1 else "image"
    files = [(name, ("a.png", picture(turn + 90 * index))) for index in range(max(1, kind.images))]
    if kind.work == "inpaint":
        files.append(("mask", ("mask.png", mask(*SIZE))))
    return {"data": {field: str(value).lower() for field, value in fields.items()}, "files": files}


def post(engine: Engine, kind: Kind, **changes: object) -> httpx.Response:
    """`turn` turns the pictures that are sent by so many degrees."""
    url = f"{engine.base_url}/v1/images/{PATHS[kind.work]}"
    return httpx.post(url, **sent(kind, changes), timeout=SECONDS, trust_env=False)


def draw(engine: Engine, kind: Kind, **changes: object) -> list[Image.Image]:
    answer = post(engine, kind, **changes)
    assert answer.status_code == 200, answer.text
    return [opened(item["b64_json"]) for item in answer.json()["data"]]


def refused_for(engine: Engine, kind: Kind, **changes: object) -> str:
    """The parameter that a request is refused for."""
    answer = post(engine, kind, **changes)
    assert answer.status_code == 400, answer.text
    param: str = answer.json()["error"]["param"]
    return param


@contextmanager
def stream(engine: Engine, kind: Kind, **changes: object) -> Iterator[Iterator[Mapping[str, Any]]]:
    """The stream's events; leaving the context hangs up."""
    url = f"{engine.base_url}/v1/images/{PATHS[kind.work]}"
    arguments = sent(kind, changes | {"stream": True})
    with (
        httpx.Client(timeout=SECONDS, trust_env=False) as client,
        client.stream("POST", url, **arguments) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        lines = (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: "))
        yield (json.loads(line) for line in lines if line != "[DONE]")


def seen(event: Mapping[str, Any]) -> Image.Image:
    return opened(base64.b64encode(base64.b64decode(event["b64_json"])).decode())


def furthest(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any channel of any pixel, 0 to 255."""
    assert one.size == other.size
    left, right = (image.convert("RGB").tobytes() for image in (one, other))
    return max(abs(a - b) for a, b in zip(left, right, strict=True))
