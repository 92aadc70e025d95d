"""The fields of a body -> the typed request. Whatever is not honoured is refused by its name, never passed over."""

from collections.abc import Mapping
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError

from contract.images import DiffusionRequest, VariationRequest
from images.diffusers.server.errors import invalid, refused, unsupported
from images.diffusers.server.form_fields import Kinds

R = TypeVar("R", bound=DiffusionRequest)

# Known to today's SDKs, and beyond what a diffusion model does -> what would work.
NEVER: Mapping[str, str] = {
    "style": "Say the style in the prompt.",
    "svg": "Only pixels are made here; use output_format png, webp or jpeg.",
    "complexity": "Use quality or num_inference_steps.",
    "frame_count": "Single pictures are made here; clips come from /v1/videos/generations.",
    "frame_duration_ms": "Single pictures are made here; clips come from /v1/videos/generations.",
    "markup": "Say the change in the prompt, or send a mask.",
    "input_fidelity": "Use strength, where the model honours it: less of it stays closer to the picture.",
}
# Values that SDKs know -> what would work.
NEVER_AS: Mapping[tuple[str, str], str] = {
    ("background", "transparent"): "Pictures are opaque here; use opaque or auto.",
    ("output_format", "gif"): "Use png, webp or jpeg.",
    ("output_format", "svg"): "Use png, webp or jpeg.",
    ("response_format", "url"): "Use b64_json.",
}
STREAMING = ("stream", "partial_images", "progress")
# Where a name begins that an upload has; those are files, not text.
FILES = frozenset({"image", "image[]", "mask", "input_reference"})


def parse(kind: type[R], fields: Mapping[str, object], extra: frozenset[str]) -> tuple[R, dict[str, float]]:
    """The request, and the numbers that single families know by the names in `extra`. Raises ApiError 400."""
    _refuse_never(kind, fields)
    extras = {name: _number(name, fields[name]) for name in fields if name in extra}
    try:
        request = kind.model_validate({name: value for name, value in fields.items() if name not in extras})
    except ValidationError as error:
        raise _told(error) from error
    _refuse_nul(request)
    return request, extras


def kinds_of(kind: type[BaseModel], extra: frozenset[str]) -> Kinds:
    """What the fields of a form are to be read as."""

    def having(wanted: type) -> frozenset[str]:
        return frozenset(name for name, field in kind.model_fields.items() if wanted in _parts(field.annotation))

    return Kinds(having(int), having(float) | extra, having(bool))


def _parts(annotation: object) -> set[object]:
    inner = get_args(annotation)
    return {annotation}.union(*(_parts(part) for part in inner)) if inner else {_hashable(annotation)}


def _hashable(annotation: object) -> object:
    return annotation if isinstance(annotation, type) else None


def _refuse_never(kind: type[DiffusionRequest], fields: Mapping[str, object]) -> None:
    for name, value in fields.items():
        if name in NEVER:
            raise unsupported(name, f"{name} cannot be honoured here. {NEVER[name]}")
        if isinstance(value, str) and (name, value) in NEVER_AS:
            raise unsupported(name, f"{name} cannot be {value} here. {NEVER_AS[name, value]}")
        if name in FILES and name not in kind.model_fields:
            raise invalid(name, f"{name} has to be a file of a form.")
    if issubclass(kind, VariationRequest):
        asked = next((name for name in STREAMING if name in fields), None)
        if asked:
            raise unsupported(asked, f"Variations are not streamed; leave {asked} out.")


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(name, f"{name} has to be a number.")
    return float(value)


def _told(error: ValidationError) -> Exception:
    """The first of what is wrong, in our words; pydantic's kind of it is the code."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    param = _param(first["loc"])
    if first["type"] == "extra_forbidden":
        return refused("unknown_parameter", f"There is no parameter {param} here.", param)
    if first["type"] == "missing":
        return refused("missing_required_parameter", f"{param} is missing.", param)
    return invalid(param, f"{param}: {first['msg']}.")


def _param(location: tuple[int | str, ...]) -> str:
    """`loras`, 0, `scale` -> `loras[0].scale`; bounded, since it may be the caller's own words."""
    first, *rest = location
    path = str(first) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)
    return path[:100].encode("utf-8", "replace").decode()


def _refuse_nul(request: DiffusionRequest) -> None:
    for name, value in request:
        if isinstance(value, str) and "\0" in value:
            raise invalid(name, f"{name} holds a NUL character.")
