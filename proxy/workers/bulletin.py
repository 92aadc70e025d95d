"""The events that workers tell, in one order: each gets its number here, and goes to all of them.

The last of them are kept for a worker that begins, so that a caller may take up its stream anywhere.
"""

import secrets
from collections import deque
from collections.abc import Iterable

from proxy.sharing.line import Line, Message

MOST = 4096
CLOGGED = 16 * 2**20  # bytes that wait for a worker that does not read; what it misses it is told by a gap


class Bulletin:
    """`word` begins the ids of its events."""

    def __init__(self, most: int = MOST) -> None:
        self.word = secrets.token_hex(4)
        self._last: deque[Message] = deque(maxlen=most)
        self._count = 0

    def catch_up(self, line: Line) -> None:
        """Tell a worker that begins what it would know."""
        for message in self._last:
            line.send(message)

    def tell(self, body: bytes, lines: Iterable[Line]) -> None:
        """An event."""
        self._count += 1
        message = Message("event", self._count, body=body)
        self._last.append(message)
        for line in lines:
            if line.waiting < CLOGGED:
                line.send(message)
