"""An engine's stream of events, read as it comes: no step of it is long, however large a clip is.

The one text that may be large, `b64_json`, is decoded piece by piece and never stands in memory as a whole; the rest of
its event is read without it.
"""

import binascii
import re
from dataclasses import dataclass

import msgspec

from contract.errors import DO_NOT_RETRY, ApiError, Origin
from proxy.gateway import engine_answers

LINE_MOST = 8 * 2**20  # bytes of a line, without the large text
EVENTS_MOST = 100_000
COMPLETED, PROGRESS = ".completed", ".progress"
JPEG = b"\xff\xd8\xff"

_MARK = re.compile(rb'"b64_json": ?"')
_MARK_LENGTH = 14


class EngineEvent(msgspec.Struct, frozen=True):
    """What is read of an engine's events; numbers and texts of other types are an engine's fault."""

    type: str
    step: int = 0
    steps: int = 0
    index: int = 0
    b64_json: str = ""
    thumbnail_b64: str | None = None
    spritesheet_b64: str | None = None
    seed: int | None = None
    scheduler: str | None = None
    guidance: float | None = None
    revision: str | None = None
    size: str = ""
    output_format: str = "png"
    width: int = 0
    height: int = 0
    fps: int = 0
    frames: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Made:
    """One picture or clip: the content in pieces, and small pictures that belong to it."""

    event: EngineEvent
    content: tuple[bytes, ...]
    variants: dict[str, bytes]

    @property
    def head(self) -> bytes:
        """The first bytes, at least 12 where there are as many."""
        return b"".join(piece[:12] for piece in self.content[:12])


_DECODER = msgspec.json.Decoder(EngineEvent)


class EventReader:
    """Fed with bytes. `most` bounds one result. Every method raises ApiError: the engine's own, or 502 for garbage."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._line = bytearray()
        self._searched = 0
        self._text: _Base64 | None = None
        self._is_inside = False
        self._count = 0

    def feed(self, data: bytes) -> list[EngineEvent | Made]:
        """The next bytes -> the steps and results that they end."""
        found: list[EngineEvent | Made] = []
        while data:
            data = self._inside(data) if self._is_inside else self._outside(data, found)
        return found

    def _inside(self, data: bytes) -> bytes:
        """Of the large text -> what comes after its end."""
        text, quote, rest = data.partition(b'"')
        if self._text is not None:
            self._text.feed(text)
            if self._text.size > self._most:
                raise garbage(f"its result is larger than {self._most} bytes")
        if quote:
            self._is_inside = False
            self._line += quote
        return rest

    def _outside(self, data: bytes, found: list[EngineEvent | Made]) -> bytes:
        line, end, rest = data.partition(b"\n")
        self._line += line
        mark = _MARK.search(self._line, self._searched) if self._text is None else None
        if mark is not None:
            text = bytes(self._line[mark.end() :])
            del self._line[mark.end() :]
            self._text, self._is_inside = _Base64(), True
            return text + end + rest
        self._searched = max(0, len(self._line) - _MARK_LENGTH)
        if len(self._line) > LINE_MOST:
            raise garbage("a line without end")
        if end:
            self._finish(found)
        return rest

    def _finish(self, found: list[EngineEvent | Made]) -> None:
        line, text = bytes(self._line).strip(), self._text
        self._line.clear()
        self._searched, self._text = 0, None
        document = line[5:].strip() if line.startswith(b"data:") else b""
        if not document or document == b"[DONE]":
            return
        self._count += 1
        if self._count > EVENTS_MOST:
            raise garbage("it has too many events")
        if document.startswith(b'{"error"'):
            raise engine_answers.failure_event(document)
        event = _event(document)
        if event.type.endswith(COMPLETED):
            found.append(_made(event, text))
        elif event.type.endswith(PROGRESS):
            found.append(event)


class _Base64:
    """A text of base64, decoded as it comes."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0
        self._rest = b""
        self._is_padded = False

    def feed(self, text: bytes) -> None:
        text = self._rest + text
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        if whole and self._is_padded:
            raise garbage("its result is not base64")
        self._is_padded = text[:whole].endswith(b"=")
        try:
            piece = binascii.a2b_base64(text[:whole], strict_mode=True)
        except binascii.Error as error:
            raise garbage("its result is not base64") from error
        if piece:
            self.pieces.append(piece)
            self.size += len(piece)

    def end(self) -> tuple[bytes, ...]:
        if self._rest or not self.size:
            raise garbage("its result is not base64, or empty")
        return tuple(self.pieces)


def garbage(why: str) -> ApiError:
    """What an engine sent that cannot be used; it would send the same again."""
    message = f"The engine's answer cannot be used: {why}."
    return ApiError(502, "engine_error", message, origin=Origin.ENGINE, headers=DO_NOT_RETRY)


def _event(document: bytes) -> EngineEvent:
    try:
        return _DECODER.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise garbage("an event is not what this kind of engine sends") from error


def _made(event: EngineEvent, text: _Base64 | None) -> Made:
    if text is None or event.b64_json:
        raise garbage("it ended without a result")
    variants = {"thumbnail": event.thumbnail_b64, "spritesheet": event.spritesheet_b64}
    pictures = {name: _picture(small) for name, small in variants.items() if small}
    return Made(msgspec.structs.replace(event, thumbnail_b64=None, spritesheet_b64=None), text.end(), pictures)


def _picture(small: str) -> bytes:
    text = _Base64()
    text.feed(small.encode("utf-8", "replace"))
    picture = b"".join(text.end())
    if not picture.startswith(JPEG):
        raise garbage("a picture of its clip is no JPEG")
    return picture
