"""Multipart forms: read in memory, bounded in parts and sizes."""

import re
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from images.diffusers.server.errors import invalid, refused

PARTS_MOST = 64
FIELD_MOST = 70_000_000  # a picture as base64
FILE_MOST = 50 * 2**20
PATH_OR_CONTROL = re.compile(r"[/\\\x00-\x1f\x7f]")


@dataclass
class Part:
    name: str
    is_file: bool
    data: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Form:
    """Text fields and files, each in the order of the form."""

    fields: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, bytes], ...]


class _Reader:
    """What the parser's callbacks fill."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._header = b""
        self._value = b""
        self._disposition = b""

    def on_part_begin(self) -> None:
        if len(self.parts) >= PARTS_MOST:
            raise refused("invalid_form", f"The form has more than {PARTS_MOST} parts.")
        self._disposition = b""

    def on_header_begin(self) -> None:
        self._header = self._value = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        elif self._header.lower() == b"content-type" and self._value.lower().startswith(b"multipart/"):
            raise refused("invalid_form", "The form holds another form.")

    def on_headers_finished(self) -> None:
        self.parts.append(_part(self._disposition))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.data += data[start:end]
        if len(part.data) > (FILE_MOST if part.is_file else FIELD_MOST):
            raise refused("payload_too_large", f"{part.name} is too large.", part.name, status=413)

    def on_end(self) -> None:
        self.ended = True


def _part(disposition: bytes) -> Part:
    kind, options = parse_options_header(disposition)
    name, file = options.get(b"name", b""), options.get(b"filename")
    if kind != b"form-data" or not name or len(name) > 128 or b"*" in disposition:
        raise refused("invalid_form", "A part of the form has no name of its own.")
    text = name.decode("utf-8", "replace")
    if file is not None and PATH_OR_CONTROL.search(file.decode("utf-8", "replace")):
        raise invalid(text, f"{text}: a file's name is no path.")
    return Part(text, file is not None)


def parse(content_type: str, body: bytes) -> Form:
    """A form's parts. Raises ApiError 400 for a broken one. Slow for large bodies: for a thread."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary or len(boundary) > 256:
        raise refused("invalid_form", "The content type names no boundary, or one that is too long.")
    reader = _Reader()
    callbacks = {name: getattr(reader, name) for name in dir(reader) if name.startswith("on_")}
    try:
        MultipartParser(boundary, callbacks).write(body)  # type: ignore[arg-type]  # a TypedDict of the same names
    except FormParserError as error:
        raise refused("invalid_form", "The form is broken: its parts do not follow the boundary.") from error
    if not reader.ended:
        raise refused("invalid_form", "The form ends before its last boundary.")
    return Form(
        tuple((part.name, _text(part)) for part in reader.parts if not part.is_file),
        tuple((part.name, bytes(part.data)) for part in reader.parts if part.is_file),
    )


def _text(part: Part) -> str:
    try:
        return part.data.decode()
    except UnicodeDecodeError as error:
        raise invalid(part.name, f"{part.name} is not UTF-8.") from error
