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
    end = url.find(",", 0, _HEAD_LIMIT)
    head = _HEAD.fullmatch(url, 0, max(end, 0))
    if head is None:
        raise MediaRefused("invalid_media_url", "write a data URL like 'data:image/png;base64,...'")
    return DataUrl(head[1].lower(), url[end + 1 :])


def is_data_url(url: str) -> bool:
    return url[: len(SCHEME)].lower() == SCHEME
