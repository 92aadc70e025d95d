"""Whether a body may hold media: a search of its bytes, before anything is parsed.

A name may be written with escapes (`image\\u005furl`). No encoder escapes letters, so a body that does is looked into.
"""

import re
from typing import Final

PARTS_IN_MESSAGES: Final = 2  # a part stands in a list, which stands in the list of messages
PARTS_ANYWHERE: Final = 1

_MARKS: Final = (b'_url"', b'_audio"')
_ANTHROPIC_MARK: Final = b'"source"'
_ESCAPED_LETTER: Final = re.compile(rb"\\u00(?:[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff])")


def holds_media(body: bytes, least_lists: int = PARTS_ANYWHERE, *, anthropic: bool = False) -> bool:
    """False where there is none for certain: the usual body, whose messages are texts, costs one count.

    `least_lists` is how many lists a body of this endpoint has that holds a part.
    """
    return _has_lists(body, least_lists) and (
        _is_marked(body)
        or (anthropic and _ANTHROPIC_MARK in body)
        or (b"\\" in body and b"\\u00" in body and _ESCAPED_LETTER.search(body) is not None)
    )


def _has_lists(body: bytes, least: int) -> bool:
    at = -1
    for _ in range(least):
        at = body.find(b"[", at + 1)
        if at < 0:
            return False
    return True


def _is_marked(body: bytes) -> bool:
    """From underscore to underscore: one letter is found many times faster than a word, and there are few of this."""
    at = body.find(b"_")
    while at >= 0:
        if body.startswith(_MARKS, at):
            return True
        at = body.find(b"_", at + 1)
    return False
