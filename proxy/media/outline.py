"""A body's outline: long base64 is left out, so that to read the rest and to write it anew takes no time.

A picture is megabytes in which JSON has nothing to say, and a step over all of them would hold up every other caller.
"""

import asyncio
import io
import re
import secrets
import string
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

Pieces = Sequence[bytes | memoryview]  # of one long text, in their order

STEP = 64 * 2**10  # bytes that are looked at in one go; less than that is never left out
ESCAPE_SIZE = 6  # bytes of the longest escape, which may have begun before a piece

_NUMBER = b"0123456789+eE"
_BASE64 = (string.ascii_letters + string.digits + "+/=").encode()
_NONCE_DIGITS, _INDEX_DIGITS = 24, 6


class Outline:
    """`text` is the body with a stand-in for each run of base64: digits that nobody can guess, in its string."""

    def __init__(self) -> None:
        self.text = b""
        self._runs: list[Pieces] = []
        self._nonce = str(secrets.randbelow(10**_NONCE_DIGITS)).zfill(_NONCE_DIGITS)
        self._standin = re.compile(f"{self._nonce}([0-9]{{{_INDEX_DIGITS}}})")

    @classmethod
    async def of(cls, body: bytes) -> "Outline":
        """The outline of a body that is JSON. Others have their turn between two pieces of it."""
        made = cls()
        view, done = memoryview(body), 0
        kept: list[bytes] = []
        for start, end in [span async for span in _runs_of(body)] if len(body) > STEP else ():
            kept += [body[done:start], made.stand_for((view[start:end],)).encode()]
            done = end
        made.text = b"".join((*kept, body[done:]))
        return made

    def stand_for(self, pieces: Pieces) -> str:
        """A stand-in for what these are together, to be put into a string."""
        self._runs.append(pieces)
        return f"{self._nonce}{len(self._runs) - 1:0{_INDEX_DIGITS}}"

    def pieces(self, text: str) -> Pieces:
        """A string of the outline -> what it is in the body. Raises UnicodeEncodeError for what is not ASCII."""
        return list(self._whole(text))

    def _whole(self, text: str) -> Iterable[bytes | memoryview]:
        for number, part in enumerate(self._standin.split(text)):
            if number % 2:
                yield from self._runs[int(part)]
            elif part:
                yield part.encode("ascii")

    async def fill(self, document: bytes) -> bytes:
        """The outline written anew -> the body, with all that was left out."""
        if not self._runs:
            return document
        standin = re.compile(self._standin.pattern.encode())
        whole = io.BytesIO()  # which grows in place: to join megabytes is a step too long
        for number, part in enumerate(standin.split(document)):
            for step in _steps(self._runs[int(part)] if number % 2 else (part,)):
                await asyncio.sleep(0)
                whole.write(step)
        return whole.getvalue()


def _steps(pieces: Pieces) -> Iterator[memoryview]:
    """The pieces, in steps of STEP at most."""
    for piece in pieces:
        view = memoryview(piece)
        yield from (view[start : start + STEP] for start in range(0, len(view), STEP))


async def _runs_of(body: bytes) -> AsyncIterator[tuple[int, int]]:
    """Where base64 begins and ends, as far as whole steps are nothing else."""
    begin = None
    for start in range(0, len(body), STEP):
        is_plain = _is_plain(body[start : start + STEP])
        if is_plain and begin is None:
            begin = start + ESCAPE_SIZE
        elif not is_plain and begin is not None:
            yield begin, start
            begin = None
        await asyncio.sleep(0)


def _is_plain(piece: bytes) -> bool:
    """Whether it is base64 and can be nothing else: so many digits might be a number."""
    return len(piece) == STEP and not piece.translate(None, _BASE64) and bool(piece.translate(None, _NUMBER))
