"""Server-sent events as bytes: comments, and where one event ends."""

import re

MEDIA_TYPE = b"text/event-stream"
EVENT_LIMIT = 16 * 2**20  # an unfinished event of more is no event

_EVENT_ENDS = (b"\n\n", b"\r\n\r\n")
_BREAKS = re.compile(r"[\r\n]+")
_ERROR_EVENT = re.compile(rb'(?:\A|\n)data: ?(\{"error".*)')


def comment(text: str) -> bytes:
    """A comment, which clients skip: it shows that the stream lives, and what it waits for."""
    return f": {_BREAKS.sub(' ', text)}\n\n".encode(errors="replace")


def split_events(data: bytes) -> tuple[bytes, bytes]:
    """Bytes of a stream -> its whole events, and the beginning of the next.

    A client cannot use half an event, and one that is cut in half by an engine's death would make it stumble over the
    half instead of reading the error that follows: so the half is what waits, and never more.
    """
    if data.endswith(_EVENT_ENDS):
        return data, b""
    end = max((data.rfind(mark) + len(mark) for mark in _EVENT_ENDS if mark in data), default=0)
    return data[:end], data[end:]


def split_error(events: bytes) -> tuple[bytes, bytes | None]:
    """Whole events -> those before an engine's error event, and that error's JSON document; None without one."""
    found = _ERROR_EVENT.search(events) if b'{"error"' in events else None
    if found is None:
        return events, None
    return events[: found.start(1)].rpartition(b"data:")[0], found[1].rstrip()
