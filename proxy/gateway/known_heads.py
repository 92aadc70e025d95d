"""Heads that were read before: who sends much repeats itself, and only the length of the body is another.

What a head says depends on its bytes alone. So a message that came in one piece, under a head that is known but for
the digits of its Content-Length, needs no parser. Whatever is not plainly so is the parser's.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

LONGEST = 4096  # bytes of a head that is remembered
MOST = 512  # heads: past that all are forgotten, and learned again
LENGTH = b"content-length"
KEEP_ALIVE = b"keep-alive"  # what HTTP/1.1 does anyway, and many say
UNUSUAL = frozenset({b"expect", b"transfer-encoding", b"upgrade"})  # they say more than their own value

_MARK = b"ength: "
_MARK_SIZE = len(_MARK)
_END = b"\r\n\r\n"
_MOST_DIGITS = 12
_FEW_DIGITS = 5  # of the length of a body that comes in one piece


# A message that is whole, if the head is what it seems: the head without the digits of its length, these, the body.
Cut = tuple[bytes, bytes, bytes]


def cut(data: bytes) -> Cut | None:
    """The bytes of one message, or None where it is less, more, or not for certain."""
    at = data.find(_MARK, 0, LONGEST) + _MARK_SIZE
    end = data.find(_END, at, LONGEST) + 4
    if at < _MARK_SIZE or end < 4:
        return None
    stop = data.find(b"\r", at)
    digits = data[at:stop]
    if not digits.isdigit() or len(digits) > _MOST_DIGITS or len(data) - end != int(digits):
        return None
    return data[:at] + data[stop:end], digits, data[end:]


class KnownHeads(Generic[T]):
    """What heads say, by their bytes. Whoever finds one here has to put in the length that it was cut with."""

    def __init__(self) -> None:
        self._known: dict[bytes, T] = {}
        self._once: set[bytes] = set()
        self.get = self._known.get

    def begins(self, data: bytes) -> bool:
        """Whether it is a known head alone: most callers send the body right behind it, in a second piece."""
        if not data.endswith(_END) or data.find(_END) != len(data) - 4:
            return False
        at = data.find(_MARK, 0, LONGEST) + _MARK_SIZE
        stop = data.find(b"\r", at)
        is_few = at >= _MARK_SIZE and stop - at <= _FEW_DIGITS and data[at:stop].isdigit()
        return is_few and data[:at] + data[stop:] in self._known

    def learn(self, message: Cut, headers: Mapping[bytes, bytes], said: T) -> None:
        """What a parser made of a message. It is kept from the second time on: most of what came once never returns."""
        head = message[0]
        if head not in self._once:
            if len(self._once) >= MOST:
                self._once.clear()
                self._known.clear()
            self._once.add(head)
        elif _is_plain(message, headers):
            self._known[head] = said


def _is_plain(message: Cut, headers: Mapping[bytes, bytes]) -> bool:
    """Whether the digits were the length's and it is the only header that bears on where the message ends."""
    head, digits, _ = message
    before = head[: head.find(_MARK) + _MARK_SIZE]
    line = before[before.rfind(b"\n") + 1 :]
    is_length = line.lower() == LENGTH + b": " and headers.get(LENGTH) == digits
    is_usual = UNUSUAL.isdisjoint(headers) and headers.get(b"connection", KEEP_ALIVE).lower() == KEEP_ALIVE
    return is_length and is_usual and head.lower().count(LENGTH) == 1 and head.count(_END) == 1
