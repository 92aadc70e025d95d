"""Pictures in an engine's answer, and the request that would make each of them again. Pure, and long for large ones."""

import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.artifacts.facts import Facts

STEP = 2**20  # characters of base64 at a time, so that no other thread waits for long
FILES = "files"  # in a sidecar's request: of each file that came with it, its field and its artifact
REQUEST_LIMIT = 64 * 2**10  # bytes of a request that is remembered
_ONCE = frozenset({"model", "n", "response_format", "stream", "partial_images", "progress", "user", "background"})
_ONCE |= {"safety_identifier", "seed"}


class Picture(msgspec.Struct):
    """One picture of an answer, or of an event that completes one. `text`: it, in base64; `b64_json`: its place."""

    b64_json: str | None = None
    seed: int | None = None
    scheduler: str | None = None
    steps: int | None = None
    guidance: float | None = None
    revision: str | None = None
    text: Any = b""


class _Answer(msgspec.Struct):
    data: list[Picture] = []


_ANSWER = msgspec.json.Decoder(_Answer)
_EVENT = msgspec.json.Decoder(Picture)
_COMPLETED = b'.completed"'
_DATA = b"data:"
_NAME = b'"b64_json"'


class Asked(msgspec.Struct, frozen=True):
    """A request for pictures: its fields as they were sent; of each file that came with them, field and artifact."""

    owner: str
    endpoint: str
    model: str
    fields: dict[str, Any]
    files: tuple[tuple[str, str], ...] = ()


def pictures_in(answer: bytes) -> list[Picture]:
    """A plain answer's pictures. What is no such answer has none."""
    small, lifted = lift(answer)
    try:
        return _with(lifted, _ANSWER.decode(small).data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def pictures_in_events(events: bytes) -> list[Picture]:
    """The pictures that whole events of a stream complete."""
    small, lifted = lift(events)
    found: list[Picture] = []
    for line in small.splitlines():
        if line.startswith(_DATA) and _COMPLETED in line:
            try:
                found.append(_EVENT.decode(line[len(_DATA) :]))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
    return _with(lifted, found)


def lift(document: bytes) -> tuple[bytes, list[memoryview]]:
    """JSON without its pictures, and these: where one stood stands its place among them.

    To decode a large one whole would hold up every other thread; to step from quote to quote does not.
    """
    view, at = memoryview(document), 0
    lifted: list[memoryview] = []
    pieces: list[bytes] = []
    while (found := document.find(_NAME, at)) >= 0:
        start = document.find(b'"', found + len(_NAME)) + 1
        end = document.find(b'"', start)
        if start == 0 or end < 0 or document[found + len(_NAME) : start - 1].strip() != b":":
            pieces.append(document[at : found + len(_NAME)])
            at = found + len(_NAME)
            continue
        pieces += (document[at:start], b"%d" % len(lifted))
        lifted.append(view[start:end])
        at = end
    return b"".join((*pieces, document[at:])), lifted


def bytes_of(picture: Picture) -> bytes:
    """The picture's file. Raises binascii.Error."""
    text = picture.text
    return b"".join([binascii.a2b_base64(text[at : at + STEP]) for at in range(0, len(text), STEP)])


def _with(lifted: list[memoryview], pictures: list[Picture]) -> list[Picture]:
    """Each with its own; a picture without bytes is none."""
    whole = [picture for picture in pictures if picture.b64_json]
    for picture in whole:
        picture.text = lifted[int(picture.b64_json or "")]
    return [picture for picture in whole if len(picture.text)]


def facts_of(asked: Asked, picture: Picture) -> Facts:
    """What is known of a picture when it was made."""
    prompt = asked.fields.get("prompt")
    return Facts(
        model=asked.model,
        revision=picture.revision,
        prompt=prompt if isinstance(prompt, str) and prompt else None,
        seed=picture.seed,
        steps=picture.steps,
        guidance=picture.guidance,
        scheduler=picture.scheduler,
        parents=tuple(dict.fromkeys(artifact_id for _, artifact_id in asked.files)),
        endpoint=asked.endpoint,
        request=_again(asked, picture),
    )


def _again(asked: Asked, picture: Picture) -> dict[str, Any] | None:
    """The request for this picture alone; None where it is too large to be remembered."""
    request = once(asked.fields, picture.seed)
    if asked.files:
        request[FILES] = [{"field": field, "artifact": artifact_id} for field, artifact_id in asked.files]
    return request if len(msgspec.json.encode(request)) <= REQUEST_LIMIT else None


def once(fields: Mapping[str, Any], seed: int | None) -> dict[str, Any]:
    """A request's fields -> those for one picture alone, by the seed that made it."""
    kept = {name: value for name, value in fields.items() if name not in _ONCE}
    return kept if seed is None else kept | {"seed": seed}
