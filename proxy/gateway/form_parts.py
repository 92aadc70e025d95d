"""A multipart form taken apart: its fields as text and its files as bytes, under the same rules as `form.py`'s scan."""

from dataclasses import dataclass
from typing import Any

from proxy.gateway.form import FIELD_LIMIT, FormScan, check_head, text_of, wrong


@dataclass(frozen=True)
class FormFile:
    """A file of a form. Nothing of it but its bytes can be trusted."""

    name: str
    content: bytes


class FormParts(FormScan):
    """Fed as the scan is. `large` are the names of fields, without what stands in brackets, that may hold a picture."""

    def __init__(self, boundary: bytes, large: frozenset[str]) -> None:
        super().__init__(boundary)
        self.fields: list[tuple[str, str]] = []
        self.files: list[FormFile] = []
        self._large = large
        self._pieces: list[bytes] = []

    def _take(self, event: Any) -> None:  # noqa: ANN401
        if event is None:
            self._close_part()
        elif isinstance(event, bytes):
            self._add(event)
        else:
            check_head(event)
            self._part = event
            self._pieces = []

    def _add(self, data: bytes) -> None:
        part = self._part
        small = part.filename is None and part.name.partition("[")[0] not in self._large
        if small and part.bytes_received > FIELD_LIMIT:
            raise wrong(part.name, f"is larger than {FIELD_LIMIT} bytes; only files may be")
        self._pieces.append(data)

    def _close_part(self) -> None:
        part, content = self._part, b"".join(self._pieces)
        if part.filename is not None:
            self.files.append(FormFile(part.name, content))
        else:
            self.fields.append((part.name, text_of(part.name, content)))
