"""What the tests of clips see of a clip as a player does, and of its job as a listener does."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from openai.types import Video

from tests.integration.stack import Stack, eventually

PROMPT = "a red circle on a blue background"
SECONDS = 120
PROBE = ("ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json")


class Seen(NamedTuple):
    """A clip as a player sees it. `seconds` is its whole length, `fps` its frames a second."""

    frames: int
    fps: float
    seconds: float
    size: str


class Event(NamedTuple):
    id: str
    kind: str
    data: dict[str, Any]

    @property
    def step(self) -> tuple[str, int, int]:
        """Stage, step, and how many steps the stage has."""
        return self.data["stage"], self.data["step"], self.data["steps"]


def seen(clip: bytes, folder: Path) -> Seen:
    """An MP4 of one stream -> what ffprobe says of it, every frame decoded. Raises CalledProcessError for no clip."""
    file = folder / "clip.mp4"
    file.write_bytes(clip)
    done = subprocess.run((*PROBE, file), capture_output=True, text=True, check=True, timeout=SECONDS)
    told = json.loads(done.stdout)
    (stream,) = told["streams"]
    size = f"{stream['width']}x{stream['height']}"
    return Seen(
        int(stream["nb_read_frames"]),
        float(Fraction(stream["avg_frame_rate"])),
        float(told["format"]["duration"]),
        size,
    )


def extra(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """What we tell of a job beside OpenAI's fields."""
    found: dict[str, Any] = model.model_extra
    return found


def get(stack: Stack, path: str) -> httpx.Response:
    return httpx.get(stack.base_url + path, timeout=SECONDS, trust_env=False).raise_for_status()


@contextmanager
def events(stack: Stack, last_id: str | None = None) -> Iterator[Iterator[Event]]:
    """What happens from now on, or after the event `last_id`; it is listened to when the block begins."""
    headers = {"last-event-id": last_id} if last_id is not None else {}
    url = f"{stack.base_url}/v1/events"
    with httpx.stream("GET", url, headers=headers, timeout=SECONDS, trust_env=False) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": listening"
        yield _read(lines)


def _read(lines: Iterator[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


def until_over(found: Iterator[Event], job_id: str) -> list[Event]:
    """The events up to the one that ends a job."""
    heard: list[Event] = []
    for event in found:
        heard.append(event)
        if event.kind in {"job-completed", "job-failed"} and event.data["job"] == job_id:
            break
    return heard


def wait_for_a_step(stack: Stack, video: Video) -> None:
    """Until its video model has done one. Raises AssertionError where the job is over before."""

    def has_begun() -> bool:
        told = stack.client().videos.retrieve(video.id)
        assert told.status in {"queued", "in_progress"}, told
        return extra(told)["stage"] == "video" and bool(extra(told)["step"])

    eventually(has_begun, "the clip has begun", 300)
