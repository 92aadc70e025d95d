"""Reading a multipart form without touching it: the original bytes are what is sent on.

Of its fields `model` and `stream` are read. Files pass by undecoded. The scan holds the form to: at most PART_LIMIT
parts with a few short headers each, no field that is no file over FIELD_LIMIT, no nested form, no file name that is a
path, none of the fields that `peek.py` denies. All else is the engine's to judge.
"""

import re
from typing import Any

import multipart

from contract.errors import ApiError
from proxy.gateway.body import CLOSE
from proxy.gateway.peeked import DENIED, Peeked

PART_LIMIT = 64
HEADER_SIZE = 4 * 2**10
HEADER_COUNT = 8
FIELD_LIMIT = 2**20
NAME_LIMIT = 1024  # of the fields that are read

_READ = frozenset({"model", "stream"})
_DENIED = frozenset(DENIED)
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_PATH_OR_CONTROL = re.compile(r"[/\\\x00-\x1f\x7f]")
_EXTENDED_NAME = re.compile(r";\s*(file)?name\*", re.IGNORECASE)


class FormScan:
    """Fed with the body as it comes, so that no step of it is long. Every method raises ApiError (400)."""

    def __init__(self, boundary: bytes) -> None:
        self._parser = multipart.PushMultipartParser(
            boundary, max_header_size=HEADER_SIZE, max_header_count=HEADER_COUNT, max_segment_count=PART_LIMIT
        )
        self._part: Any = None
        self._value = b""
        self._values: dict[str, str] = {}

    def feed(self, data: bytes) -> None:
        """The next bytes. What follows the form's end is nobody's."""
        if not data:
            return
        try:
            for event in self._parser.parse(data):
                self._take(event)
        except multipart.MultipartError as error:
            raise broken(str(error)) from error

    def end(self) -> Peeked:
        """There are no more bytes -> what was read of the form."""
        try:
            self._parser.close()
        except multipart.MultipartError as error:
            raise broken("it ends before its last boundary") from error
        return Peeked(model=self._values.get("model"), stream=_truth(self._values.get("stream")))

    def _take(self, event: Any) -> None:  # noqa: ANN401
        """A part's head, bytes of it, or its end (None)."""
        if event is None:
            self._finish()
        elif isinstance(event, bytes):
            self._grow(event)
        else:
            self._part = event
            check_head(event)
            if event.name in _READ and event.name in self._values:
                raise wrong(event.name, "stands twice; send it once")

    def _grow(self, data: bytes) -> None:
        name, size = self._part.name, self._part.bytes_received
        if self._part.filename is None and size > FIELD_LIMIT:
            raise wrong(name, f"is larger than {FIELD_LIMIT} bytes; only files may be")
        if name in _READ:
            if size > NAME_LIMIT:
                raise wrong(name, "is too long")
            self._value += data

    def _finish(self) -> None:
        if self._part.name in _READ:
            self._values[self._part.name] = text_of(self._part.name, self._value)
        self._value = b""


def check_head(part: Any) -> None:  # noqa: ANN401
    """What any part must be. Raises ApiError (400)."""
    name, filename = part.name, part.filename
    if not name:
        raise broken("a part has no name")
    if (part.content_type or "").startswith("multipart/"):
        raise wrong(name, "is a form within the form; send its parts by themselves")
    if _EXTENDED_NAME.search(part.header("Content-Disposition", "")):
        raise wrong(name, "has an encoded name ('filename*'), which forms do not have")
    if filename is not None and _PATH_OR_CONTROL.search(filename):
        raise wrong(name, "has a file name that is a path or holds control characters")
    if filename is not None and name in _READ:
        raise wrong(name, "is a field and no file")
    if name.partition("[")[0] in _DENIED:
        raise ApiError(
            400, "unsupported_parameter", f"'{name[:100]}' may not be set here; leave it out.", param=name[:100]
        )


def text_of(name: str, value: bytes) -> str:
    """A field's value. Raises ApiError (400)."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise wrong(name, "is not UTF-8") from error


def _truth(value: str | None) -> bool | None:
    """`true` as the SDK sends a boolean in a form. Other programs write `True` and `1`."""
    if not value:
        return None
    if value.lower() not in _TRUTHS:
        raise ApiError(400, "invalid_type", "'stream': write true or false.", param="stream", headers=CLOSE)
    return _TRUTHS[value.lower()]


def wrong(name: str, what: str) -> ApiError:
    """A part is at fault."""
    return ApiError(400, "invalid_multipart", f"'{name[:100]}' {what}.", param=name[:100], headers=CLOSE)


def broken(why: str) -> ApiError:
    """It is no form at all."""
    return ApiError(400, "invalid_multipart", f"The body is no sound multipart form: {why}.", headers=CLOSE)
