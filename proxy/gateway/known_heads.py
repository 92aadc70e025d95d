"""Heads that were read before: who sends much repeats itself, and only the length of the body is another.

What a head says depends on its bytes alone. So a message that came in one piece, under a head that is known but for
the digits of its Content-Length, needs no parser. Whatever is not plainly so is the parser's.
"""

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LONGEST: Final = 4096  # bytes of a head that is remembered
MOST: Final = 512  # heads: past that all are forgotten, and learned again
LENGTH: Final = b"content-length"
KEEP_ALIVE: Final = b"keep-alive"  # what HTTP/1.1 does anyway, and many say
UNUSUAL: Final = frozenset({b"expect", b"transfer-encoding", b"upgrade"})  # they say more than their own value

_MARK: Final = b"ength: "
_MARK_SIZE: Final = len(_MARK)
_END: Final = b"\r\n\r\n"
_MOST_DIGITS: Final = 12
_FEW_DIGITS: Final = 5  # of the length of a body that comes in one piece


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
    """What heads say, by their bytes, of all connections. Each of them asks by its own `RecentHead`."""

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


class RecentHead(Generic[T]):
    """One connection's way to the known heads: what came last is most likely what comes next, but for the length.

    Where the rest of a head is what it was, the size of a message tells the only length that it can have named.
    """

    __slots__ = ("_after", "_before", "_digits", "_head", "_heads", "_key", "_said", "_size")

    def __init__(self, heads: KnownHeads[T]) -> None:
        self._heads = heads
        self._said: T | None = None
        self._key = self._before = self._after = b""
        self._size = 0  # of the message that these two are of:
        self._head = self._digits = b""

    def find(self, data: bytes) -> tuple[T | None, Cut | None]:
        """What the head of a whole message says, if it is known, and the message, if it is one for certain.

        Whoever is told has to put in the length that the message was cut with.
        """
        if self._said is not None:
            if len(data) != self._size:
                self._expect(len(data))
            size = len(self._head)
            if size and data[:size] == self._head:
                return self._said, (self._key, self._digits, data[size:])
        message = cut(data)
        known = self._heads.get(message[0]) if message is not None else None
        if message is not None and known is not None:
            self._remember(message, known)
        return known, message

    def _remember(self, message: Cut, said: T) -> None:
        self._key = key = message[0]
        at = key.find(_MARK) + _MARK_SIZE
        self._before, self._after, self._said = key[:at], key[at:], said
        self._expect(len(key) + len(message[1]) + len(message[2]))

    def _expect(self, size: int) -> None:
        """The head of a message of this size; none where no length could name what is left for the body."""
        self._size = size
        rest = size - len(self._key)  # the body, and the digits that count it
        length = rest - len(b"%d" % rest)
        digits = b"%d" % length
        if length + len(digits) < rest:  # what counts the body may be a digit shorter than what counts both
            length += 1
            digits = b"%d" % length
        fits = length >= 0 and length + len(digits) == rest
        self._digits = digits if fits else b""
        self._head = self._before + digits + self._after if fits else b""


def _is_plain(message: Cut, headers: Mapping[bytes, bytes]) -> bool:
    """Whether the digits were the length's and it is the only header that bears on where the message ends."""
    head, digits, _ = message
    before = head[: head.find(_MARK) + _MARK_SIZE]
    line = before[before.rfind(b"\n") + 1 :]
    is_length = line.lower() == LENGTH + b": " and headers.get(LENGTH) == digits
    is_usual = UNUSUAL.isdisjoint(headers) and headers.get(b"connection", KEEP_ALIVE).lower() == KEEP_ALIVE
    return is_length and is_usual and head.lower().count(LENGTH) == 1 and head.count(_END) == 1
