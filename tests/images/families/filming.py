"""What the tests of clips and of upscalers ask an engine for, and how they read its answers."""

import base64
import io
import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

SECONDS = 120


@dataclass(frozen=True)
class Film:
    """A clip as it came: the last event, the steps that were told before, and the file."""

    told: Mapping[str, Any]
    steps: tuple[tuple[int, int], ...]
    file: bytes

    @property
    def seen(self) -> bytes:
        """The frames as they were encoded, without the file's words about how they were made."""
        return boxes(self.file)["mdat"]


def picture(colour: str, size: tuple[int, int] = (64, 64)) -> bytes:
    """A PNG whose left half is black."""
    image = Image.new("RGB", size, colour)
    image.paste("black", (0, 0, size[0] // 2, size[1]))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def as_text(file: bytes) -> str:
    return base64.b64encode(file).decode()


@contextmanager
def events(url: str, request: Mapping[str, object]) -> Iterator[Iterator[Mapping[str, Any]]]:
    """The stream's events; leaving the context hangs up."""
    client = httpx.Client(timeout=SECONDS, trust_env=False)
    with client, client.stream("POST", f"{url}/v1/videos/generations", json=request) as answer:
        if answer.status_code != 200:
            answer.read()
            raise AssertionError(f"{answer.status_code}: {answer.text}")
        lines = (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: "))
        yield (json.loads(line) for line in lines if line != "[DONE]")


def film(url: str, **request: object) -> Film:
    with events(url, request) as stream:
        *steps, told = stream
    assert told["type"] == "video.completed", told
    assert all(step["type"] == "video.progress" for step in steps)
    pairs = tuple((step["step"], step["steps"]) for step in steps)
    return Film(told, pairs, base64.b64decode(told["b64_json"]))


def refusal(url: str, **request: object) -> Mapping[str, Any]:
    """The error of a request for a clip that is refused with 400."""
    answer = httpx.post(f"{url}/v1/videos/generations", json=request, timeout=SECONDS, trust_env=False)
    assert answer.status_code == 400, answer.text
    error: Mapping[str, Any] = answer.json()["error"]
    return error


def boxes(file: bytes) -> dict[str, bytes]:
    """An MP4's outermost boxes, in order."""
    found, place = {}, 0
    while place < len(file):
        length, name = struct.unpack(">I4s", file[place : place + 8])
        found[name.decode()] = file[place : place + length]
        place += length
    return found
