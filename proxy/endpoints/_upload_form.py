"""A form with one file, which is handed on as it comes: however large it is, little of it is here at a time."""

from collections.abc import AsyncGenerator, Collection
from typing import Any

import multipart

from contract.errors import ApiError
from proxy.endpoints._form import require_form
from proxy.gateway.asgi import Receive, Scope, headers_of
from proxy.gateway.body import CLOSE, ClientLeft
from proxy.gateway.form import HEADER_COUNT, HEADER_SIZE, PART_LIMIT, broken, check_head, text_of, wrong

FIELD_LIMIT = 64 * 2**10


class UploadForm:
    """`pieces` brings the file's bytes; `fields`, `filename` and `mime` are whole when it has ended."""

    def __init__(self, scope: Scope, receive: Receive, file: str, fields: Collection[str]) -> None:
        boundary = require_form(headers_of(scope).get(b"content-type"))
        self._parser = multipart.PushMultipartParser(
            boundary, max_header_size=HEADER_SIZE, max_header_count=HEADER_COUNT, max_segment_count=PART_LIMIT
        )
        self._receive = receive
        self._file = file
        self._known = frozenset(fields)
        self._part: Any = None
        self._has_file = False
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.mime: str | None = None
        self._value = b""

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The file, to the form's end. Raises ApiError (400) and ClientLeft."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            more = message.get("more_body", False)
            for piece in self._parse(message.get("body", b"")):
                yield piece
        self._end()

    def _parse(self, data: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        try:
            for event in self._parser.parse(data) if data else ():
                if isinstance(event, bytes | bytearray) and self._part.filename is not None:
                    pieces.append(bytes(event))
                else:
                    self._take(event)
        except multipart.MultipartError as error:
            raise broken(str(error)) from error
        return pieces

    def _end(self) -> None:
        try:
            self._parser.close()
        except multipart.MultipartError as error:
            raise broken("it ends before its last boundary") from error
        if not self._has_file:
            message = f"The form has no file '{self._file}'."
            raise ApiError(400, "missing_required_parameter", message, param=self._file, headers=CLOSE)

    def _take(self, event: Any) -> None:  # noqa: ANN401
        """A part's head, bytes of a field, or a part's end (None)."""
        if event is None:
            if self._part.filename is None:
                self.fields[self._part.name] = text_of(self._part.name, self._value)
            self._value = b""
        elif isinstance(event, bytes | bytearray):
            self._value += event
            if len(self._value) > FIELD_LIMIT:
                raise wrong(self._part.name, f"is larger than {FIELD_LIMIT} bytes; only the file may be")
        else:
            check_head(event)
            self._part = event
            self._begin(event.name, event.filename)

    def _begin(self, name: str, filename: str | None) -> None:
        if filename is not None:
            if name != self._file or self._has_file:
                raise wrong(name, f"is a file; send one, as '{self._file}'")
            self._has_file, self.filename, self.mime = True, filename[:255] or None, self._part.content_type
        elif name not in self._known:
            raise wrong(name, f"is no field here; there are: {', '.join(sorted(self._known)) or 'none'}")
        elif name in self.fields:
            raise wrong(name, "stands twice; send it once")
