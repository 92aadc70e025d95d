"""The head of an answer to a caller, as bytes."""

from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Final

DefaultHeaders = list[tuple[bytes, bytes]]  # the server's own: it makes a new list each second


class HeadLines:
    """Status lines with the server's own headers after them, made once for each second and status."""

    def __init__(self) -> None:
        self._defaults: DefaultHeaders = []
        self._begun: dict[int, bytes] = {}

    def begin(self, status: int, defaults: DefaultHeaders) -> bytes:
        """The first lines of an answer."""
        if defaults is not self._defaults:
            self._defaults = defaults
            self._begun.clear()
        return self._begun.get(status) or self._make(status)

    def _make(self, status: int) -> bytes:
        line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        self._begun[status] = begun = line + lines_of(self._defaults)
        return begun


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as lines. Raises ValueError for a value that would end its line."""
    return _known_lines(headers) if isinstance(headers, tuple) else _lines(headers)


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = b""
    for name, value in headers:
        if value.find(b"\n") >= 0 or value.find(b"\r") >= 0:  # four times as fast as `in`
            raise ValueError(f"the header {name!r} holds a line end")
        lines += b"%b: %b\r\n" % (name, value)
    return lines


_known_lines: Final = lru_cache(maxsize=64)(_lines)  # a tuple is of the headers that are the same each time
