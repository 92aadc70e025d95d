"""What a request asks for: the target of its first line."""

from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import httptools


@lru_cache(maxsize=128)  # most callers ask for the same few
def split_target(target: bytes) -> tuple[str, bytes, bytes]:
    """A request target -> its path, decoded and as it came, and its query. What is none ends the parsing."""
    parsed: Any = httptools.parse_url(target)  # whose types deny that there may be no query
    raw: bytes = parsed.path
    query: bytes | None = parsed.query
    return unquote(raw.decode("ascii")), raw, query or b""
