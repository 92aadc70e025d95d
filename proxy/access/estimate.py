"""What a request is taken to cost until its engine has said it: pure."""

from typing import Final

import msgspec

from contract.usage import Usage
from proxy.gateway.peeked import UNSAID, Peeked

BYTES_PER_TOKEN: Final = 3  # of a body; English prose has 4, other scripts 2 or 3
MOST_PROMPT: Final = 32_768  # a body that is longer holds a picture more often than that many words
ANSWER: Final = 512  # tokens of an answer whose request sets no bound
MOST_CHOICES: Final = 128


def estimate_of(peeked: Peeked, size: int) -> Usage:
    """What was read of a body, and its size in bytes -> its tokens, with as many for the answer as it allows."""
    stated = -1
    for raw in (peeked.max_completion_tokens, peeked.max_output_tokens, peeked.max_tokens):
        if raw is not UNSAID and (bound := _whole(raw)) is not None and bound > stated:
            stated = bound
    answer = stated if stated >= 0 else ANSWER
    if peeked.n is not UNSAID:
        answer *= min(max(_whole(peeked.n) or 1, 1), MOST_CHOICES)
    return Usage(min(size // BYTES_PER_TOKEN, MOST_PROMPT), answer)


def _whole(raw: msgspec.Raw) -> int | None:
    """A number as it stands in the body; None for anything but a plain whole one."""
    text = bytes(raw)
    return int(text) if text.isdigit() and len(text) <= 12 else None
