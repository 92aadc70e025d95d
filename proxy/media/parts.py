"""Where in a body media stands: pure, over the decoded JSON.

A part is known by its key, wherever it stands, since that is how engines know it: `image_url`, `video_url`, `audio_url`
with a URL or an object that holds one, `input_audio` with data, and Anthropic's `source` of an image. What callers
describe with those names is not looked into: the schemas of tools and the arguments of their calls.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from proxy.media.refusal import MediaRefused

# Members of a body, and of anything in it, that hold no message: descriptions, and words of the caller's own.
UNSEARCHED = frozenset(
    {
        "tools",
        "functions",
        "tool_calls",
        "tool_choice",
        "input_schema",
        "parameters",
        "response_format",
        "structured_outputs",
        "guided_json",
        "schema",
        "json_schema",
        "properties",
        "metadata",
        "logit_bias",
    }
)


class Kind(StrEnum):
    """What a part holds, by the key that says so."""

    PICTURE = "image_url"
    VIDEO = "video_url"
    SOUND = "audio_url"
    FILE = "file_url"
    RAW_SOUND = "input_audio"
    SOURCE = "source"


_KINDS = {kind.value: kind for kind in Kind}
_WITH_URL = frozenset({Kind.PICTURE, Kind.VIDEO, Kind.SOUND, Kind.FILE})


@dataclass(frozen=True)
class Part:
    """One piece of media: `holder[key]` is its URL, or the object of a RAW_SOUND or SOURCE; `path` says where it is."""

    kind: Kind
    path: str
    holder: dict[str, Any]
    key: str

    @property
    def url(self) -> str:
        """Raises MediaRefused for what is no text."""
        value = self.holder[self.key]
        if not isinstance(value, str):
            raise MediaRefused("invalid_type", "write a URL as a text")
        return value

    @property
    def fields(self) -> dict[str, Any]:
        """The object of a RAW_SOUND or SOURCE. Raises MediaRefused for what is none."""
        value = self.holder[self.key]
        if not isinstance(value, dict):
            raise MediaRefused("invalid_type", "write an object")
        return value

    def put(self, value: object) -> None:
        """In the place of what was there."""
        self.holder[self.key] = value


def find_parts(value: Any, path: str) -> Iterator[Part]:  # noqa: ANN401
    """Every part of a decoded member, in order. Parts may be changed while they are looked at."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from find_parts(item, f"{path}[{number}]")
    elif isinstance(value, dict):
        skipped = UNSEARCHED | {"input"} if value.get("type") == "tool_use" else UNSEARCHED
        for key, inner in value.items():
            kind = _KINDS.get(key)
            if kind is not None and _is_part(kind, value):
                yield _part(kind, f"{path}.{key}", value, inner)
            elif key not in skipped:
                yield from find_parts(inner, f"{path}.{key}")


def _is_part(kind: Kind, holder: dict[str, Any]) -> bool:
    """A part that is null is known to the engine from before; of all that is called `source`, an image's is a part."""
    return holder[kind] is not None and (kind is not Kind.SOURCE or holder.get("type") == "image")


def _part(kind: Kind, path: str, holder: dict[str, Any], inner: Any) -> Part:  # noqa: ANN401
    if kind in _WITH_URL and isinstance(inner, dict):
        return Part(kind, f"{path}.url", inner, "url")
    return Part(kind, path, holder, kind.value)
