"""The same look at a long body as `peek` has, in short steps: others have their turn in between.

A picture in base64 is most of such a body. The pieces that hold nothing else are left out of the scan, which is the
one step whose length the body decides.
"""

import asyncio
import codecs
import string
from collections.abc import Iterator
from itertools import accumulate

from proxy.gateway import peek
from proxy.gateway.peek import DEPTH_LIMIT
from proxy.gateway.peeked import Peeked

LONG = 256 * 2**10
STEP = 256 * 2**10
STANDIN = b"="  # of what is left out: no name that we read has it, so none can come about
ESCAPE_SIZE = 6  # bytes of the longest: \\u0000

_BASE64 = (string.ascii_letters + string.digits + "+/=").encode()
_BRACKETS = b"[]{}"
_STEPS = bytes.maketrans(_BRACKETS, bytes((1, 255, 1, 255)))  # in and out, as signed bytes
_BUT_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))


async def peek_long(body: bytes, step: int = STEP) -> Peeked:
    """The body of a request -> what we read of it. Raises ApiError (400), with the field in `param`."""
    scan = _Scan()
    kept: list[bytes] = []
    for piece in _pieces(body, step):
        if scan.is_plain(piece):
            kept.append(STANDIN)
        else:
            kept.append(piece)
            scan.feed(piece)
        await asyncio.sleep(0)
    scan.end()
    return peek.decode(b"".join(kept))


def _pieces(body: bytes, step: int) -> Iterator[bytes]:
    """Cut so that no escape is cut in two."""
    start = 0
    while start < len(body):
        end = start + step
        if end < len(body):
            end = _before_escape(body, start, end)
        yield body[start:end]
        start = end


def _before_escape(body: bytes, start: int, end: int) -> int:
    last = body.rfind(b"\\", max(start + 1, end - ESCAPE_SIZE), end)
    if last < 0:
        return end
    run = body[start : last + 1]
    begins_escape = (len(run) - len(run.rstrip(b"\\"))) % 2  # the others of the run are escaped themselves
    return last if begins_escape else end


class _Scan:
    """Fed with a body's pieces in order: whether it is UTF-8 without U+0000, and how deep it is."""

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")()
        self._is_cut = False  # in the midst of a character
        self._in_string = False
        self._depth = 0

    def is_plain(self, piece: bytes) -> bool:
        """Whether it is base64 and nothing else, in the midst of a string."""
        return self._in_string and not self._is_cut and not piece.translate(None, _BASE64)

    def feed(self, piece: bytes) -> None:
        """Raises ApiError."""
        if self._is_cut or not piece.isascii():
            self._decode(piece)
        if b"\\" in piece:
            piece = piece.replace(rb"\\", b"")
            if b"\\u0000" in piece:
                raise peek.nul_refused()
            piece = piece.replace(rb"\"", b"")
        parts = piece.split(b'"')
        self._descend(b"".join(parts[self._in_string :: 2]))
        self._in_string ^= len(parts) % 2 == 0

    def end(self) -> None:
        """There are no more pieces. Raises ApiError."""
        self._decode(b"", final=True)

    def _decode(self, piece: bytes, final: bool = False) -> None:
        try:
            self._text.decode(piece, final)
        except UnicodeDecodeError as error:
            raise peek.not_utf8() from error
        self._is_cut = bool(self._text.getstate()[0])

    def _descend(self, outside: bytes) -> None:
        steps = memoryview(outside.translate(_STEPS, _BUT_BRACKETS)).cast("b")
        levels = list(accumulate(steps, initial=self._depth))
        if max(levels) > DEPTH_LIMIT:
            raise peek.too_deep()
        self._depth = levels[-1]
