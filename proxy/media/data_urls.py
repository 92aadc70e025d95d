"""Data URLs, read but not decoded: that is the decoder's."""

import re
from dataclasses import dataclass

from proxy.media.refusal import MediaRefused

SCHEME = "data:"

_HEAD = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64", re.IGNORECASE)
_HEAD_LIMIT = 128


@dataclass(frozen=True)
class DataUrl:
    """`media_type` is lower case; `payload` should be base64."""

    media_type: str
    payload: str


def parse_data_url(url: str) -> DataUrl:
    """Raises MediaRefused for what has no media type or is not base64."""
    head, comma, _ = url[:_HEAD_LIMIT].partition(",")
    found = _HEAD.fullmatch(head) if comma else None
    if found is None:
        raise MediaRefused("invalid_media_url", "write a data URL like 'data:image/png;base64,...'")
    return DataUrl(found[1].lower(), url[len(head) + 1 :])


def is_data_url(url: str) -> bool:
    return url[: len(SCHEME)].lower() == SCHEME
