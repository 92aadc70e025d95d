"""The fields of a request for a clip, in all the spellings that SDKs send -> what its engine is asked."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import ValidationError

from contract.artifacts import ID_PATTERN
from contract.errors import DO_NOT_RETRY, ApiError
from contract.images import VideoRequest
from proxy.gateway.form_parts import FormFile

REFERENCES = frozenset({"input_reference", "image", "image_url"})
SPELLINGS: Mapping[str, str] = {"motion": "motion_bucket_id"}
NUMBERS = frozenset(
    {
        "fps",
        "guidance_scale",
        "motion_bucket_id",
        "noise_aug_strength",
        "num_frames",
        "num_inference_steps",
        "seconds",
        "seed",
        "strength",
    }
)
EXTRAS_MOST = 16
ARTIFACT = re.compile(ID_PATTERN)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{0,20})?")
_BRACKETS = re.compile(r"\[([a-z_]*)\]")


@dataclass(frozen=True)
class Reference:
    """The picture that a clip begins with: one of the three."""

    content: bytes | None = None
    url: str | None = None
    artifact: str | None = None


@dataclass(frozen=True)
class VideoWish:
    """`fields` are the engine's, all of them good."""

    model: str | None
    fields: dict[str, Any]
    reference: Reference | None


def wish_of_json(document: Mapping[str, Any]) -> VideoWish:
    """A JSON object -> the wish. Raises ApiError (400)."""
    found = [_reference(document[name], name) for name in sorted(REFERENCES & document.keys()) if document[name]]
    rest = {name: value for name, value in document.items() if name not in REFERENCES and value is not None}
    return _wish(rest, found)


def wish_of_form(fields: Iterable[tuple[str, str]], files: Iterable[FormFile]) -> VideoWish:
    """A form's fields and files -> the wish. Raises ApiError (400)."""
    found: list[Reference] = []
    rest: dict[str, Any] = {}
    for name, value in fields:
        plain = name.partition("[")[0]
        if plain in REFERENCES:
            found += [_reference(_nested(name, value), plain)] if value else []
        elif name in rest:
            raise _wrong(name, "stands twice; send it once")
        else:
            rest[name] = value
    for file in files:
        if file.name.partition("[")[0] not in REFERENCES:
            raise _wrong(file.name, "is no file that is taken here; send a picture as input_reference")
        found.append(Reference(content=file.content))
    return _wish({name: _typed(name, value) for name, value in rest.items() if value != ""}, found)


def _wish(values: dict[str, Any], found: list[Reference]) -> VideoWish:
    if len(found) > 1:
        raise _wrong("input_reference", "stands twice; a clip begins with one picture")
    fields = {SPELLINGS.get(name, name): value for name, value in values.items()}
    model = fields.pop("model", None)
    if model is not None and not isinstance(model, str):
        raise _wrong("model", "is the name of a model")
    if fields.pop("n", 1) != 1:
        raise _wrong("n", "can only be 1; ask for each clip by itself")
    if isinstance(fields.get("seconds"), str):
        fields["seconds"] = _typed("seconds", fields["seconds"])
    if fields.get("size") == "auto":
        del fields["size"]
    return VideoWish(model, _checked(fields), found[0] if found else None)


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """Known fields as the contract has them; others may only be numbers, which are for the engine to judge."""
    known = {name: value for name, value in fields.items() if name in VideoRequest.model_fields}
    extras = {name: value for name, value in fields.items() if name not in known}
    for name, value in extras.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not _NAME.fullmatch(name) or len(extras) > EXTRAS_MOST:
            message = f"There is no parameter '{name[:64]}' here."
            raise ApiError(400, "unknown_parameter", message, param=name[:64], headers=DO_NOT_RETRY)
    try:
        VideoRequest.model_validate(known)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ApiError(
            400, "invalid_value", f"'{where}': {first['msg']}.", param=where, headers=DO_NOT_RETRY
        ) from error
    return fields


def _typed(name: str, value: str) -> object:
    """A form's text as what it means: a number where one belongs, or where nobody knows the name."""
    if SPELLINGS.get(name, name) not in NUMBERS and name in VideoRequest.model_fields:
        return _from_json(name, value) if name == "loras" else value
    if not _NUMBER.fullmatch(value):
        if SPELLINGS.get(name, name) in NUMBERS:
            raise _wrong(name, "is a number")
        return value
    return float(value) if "." in value else int(value)


def _nested(name: str, value: str) -> object:
    """`input_reference[image_url]` -> what JSON would have said."""
    keys = [key for key in _BRACKETS.findall(name) if key]
    result: object = _from_json(name, value) if value.startswith("{") else value
    for key in reversed(keys):
        result = {key: result}
    return result


def _from_json(name: str, value: str) -> object:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _wrong(name, "is no sound JSON") from error


def _reference(value: object, name: str) -> Reference:
    """A text, an object or a list of one. Raises ApiError (400)."""
    match value:
        case [only]:
            return _reference(only, name)
        case {"file_id": str(artifact)} | {"id": str(artifact)}:
            return Reference(artifact=artifact)
        case {"image_url": inner} | {"url": inner}:
            return _reference(inner, name)
        case str() if ARTIFACT.fullmatch(value):
            return Reference(artifact=value)
        case str() if value[:5].lower() == "data:" or value[:8].lower().startswith(("http://", "https://")):
            return Reference(url=value)
        case str():
            return Reference(url=f"data:image/png;base64,{value}")
    raise _wrong(name, "is a picture: a file, {'image_url': '...'} or {'file_id': '...'}")


def _wrong(name: str, what: str) -> ApiError:
    return ApiError(400, "invalid_value", f"'{name[:64]}' {what}.", param=name[:64], headers=DO_NOT_RETRY)
