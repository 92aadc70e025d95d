"""Server-sent events as bytes: comments, and where one event ends."""

import re
from typing import Final

MEDIA_TYPE: Final = b"text/event-stream"

_EVENT_ENDS: Final = (b"\n\n", b"\r\n\r\n")
_SEAM: Final = 3  # bytes of what is held that may belong to an event's end
_BREAKS: Final = re.compile(r"[\r\n]+")
_ERROR_EVENT: Final = re.compile(rb'(?:\A|\n)data: ?(\{"error".*)')


def comment(text: str) -> bytes:
    """A comment, which clients skip: it shows that the stream lives, and what it waits for."""
    return f": {_BREAKS.sub(' ', text)}\n\n".encode(errors="replace")


class EventSplitter:
    """Bytes of a stream as they come -> its whole events.

    A client cannot use half an event, and one that is cut in half by an engine's death would make it stumble over the
    half instead of reading the error that follows: so the half is what waits, and never more. It waits in the pieces
    in which it came: an event that holds a picture is many of them.
    """

    __slots__ = ("_pieces", "_seam", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._seam = b""
        self.size = 0

    def feed(self, data: bytes) -> bytes:
        """The next bytes -> the events that they end. `size` is what waits then."""
        if not self.size and data.endswith(_EVENT_ENDS):
            return data
        end = _end_of_events(self._seam + data) - len(self._seam)
        if end <= 0:
            self._hold(data)
            return b""
        events = b"".join((*self._pieces, data[:end]))
        self._pieces, self._seam, self.size = [], b"", 0
        self._hold(data[end:])
        return events

    def rest(self) -> bytes:
        """What waits: the beginning of an event."""
        return b"".join(self._pieces)

    def _hold(self, data: bytes) -> None:
        if data:
            self._pieces.append(data)
            self._seam = (self._seam + data)[-_SEAM:]
            self.size += len(data)


def split_error(events: bytes) -> tuple[bytes, bytes | None]:
    """Whole events -> those before an engine's error event, and that error's JSON document; None without one."""
    found = _ERROR_EVENT.search(events) if b'{"error"' in events else None
    if found is None:
        return events, None
    return events[: _end_of_events(events[: found.start(1)])], found[1].rstrip()


def _end_of_events(data: bytes) -> int:
    """Where the last whole event ends, 0 if none does."""
    return max((data.rfind(mark) + len(mark) for mark in _EVENT_ENDS if mark in data), default=0)
