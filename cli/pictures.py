"""Pictures from the running stack: asked for by the way that every client takes, each step told, written to a file."""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from cli.ask import Told, default_model
from cli.client import Client, ServerEvent
from cli.failures import Failure
from cli.settings import CliSettings
from cli.steps import Say, Steps
from contract.catalogue import ModelType

PROMPT = "a red circle on a blue background"
FILE = "first-picture.png"
SEED = 7  # the same picture on every machine of one kind


class PictureEvent(BaseModel):
    """What is read of one event of a picture's stream."""

    step: int | None = None
    steps: int | None = None
    b64_json: str | None = None
    partial_image_index: int | None = None
    seed: int | None = None
    error: Told | None = None


@dataclass(frozen=True)
class Picture:
    """The file's bytes as the engine made them, and the seed that makes them again."""

    data: bytes
    seed: int | None


def first_picture(client: Client, settings: CliSettings, steps: Steps) -> Path:
    """Asks the default image model, showing load and steps; where the picture lies. Raises Failure."""
    with steps.step("first picture") as step:
        model = default_model(client.models(), ModelType.IMAGE)
        body: dict[str, object] = {"model": model, "prompt": PROMPT, "seed": SEED}
        picture = draw(client, body, settings.answer_deadline, step.say)
        file = settings.path(settings.run_dir) / FILE
        write(file, picture)
        step.done(f"from {model}")
    return file


def draw(client: Client, body: dict[str, object], deadline: float, say: Say) -> Picture:
    """One picture; `say` is told of the waiting and of each step. Raises Failure."""
    return _picture(client.draw(body, deadline), say)


def write(file: Path, picture: Picture) -> None:
    """Raises Failure where the file cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture.data)
    except OSError as error:
        remedy = "Name another file, in a folder where you may write."
        raise Failure(f"{file} cannot be written: {error.strerror}", remedy) from error


def name_for(prompt: str, seed: int | None) -> str:
    """A file's name that tells prompt and seed, of letters and digits alone."""
    words = re.findall(r"[a-z0-9]+", prompt.lower()) or ["picture"]
    return f"{'-'.join(words)[:60].rstrip('-')}{'' if seed is None else f'-{seed}'}.png"


def _picture(events: Iterable[ServerEvent], say: Say) -> Picture:
    """Raises Failure at an error event, or where the stream breaks off."""
    for event in events:
        if event.name == "comment":
            say(event.data)
            continue
        told = PictureEvent.model_validate_json(event.data)
        if told.error:
            raise told.error.failure
        if told.step is not None:
            say(f"step {told.step} of {told.steps}")
        elif told.b64_json and told.partial_image_index is None:
            return Picture(base64.b64decode(told.b64_json), told.seed)
    raise Failure("the picture broke off", "See the engine's log: ./setup.sh logs NAME")
