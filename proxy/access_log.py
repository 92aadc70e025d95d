"""One line for each request: method, path, status, time, id, model, error. Never a prompt, a query or a key.

`line` is for people, `json` for programs: an object a line, with the time of the request's end.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from time import time
from types import MappingProxyType
from typing import Final, Literal, Protocol

import msgspec

from proxy.gateway.asgi import HEADERS, MODEL, REQUEST_ID, Scope
from proxy.gateway.headers import TRACE, trace_id_of

FLUSH_SECONDS: Final = 0.2
PATH_LIMIT: Final = 200

LogForm = Literal["line", "json"]

# A request that is over, as it is kept until it is written: the time of its end, method, path, status, seconds,
# request id, model, its error's code, and the `traceparent` that its caller sent.
Row = tuple[float, str, bytes, int, float, bytes, str | None, str | None, bytes | None]


def as_lines(rows: Iterable[Row]) -> str:
    return "".join(map(_line, rows))


def _line(row: Row) -> str:
    _, method, path, status, seconds, request_id, model, code, _ = row
    milliseconds = f"{seconds * 1000:.1f}ms"
    return f"{method} {_text(path)} {status} {milliseconds} {request_id.decode()} {model or '-'} {code or '-'}\n"


def as_json(rows: Iterable[Row]) -> str:
    return "".join(map(_object, rows))


def _object(row: Row) -> str:
    """`time` is seconds since the epoch; `code` is null for a good request; `trace_id` is of the trace that the caller
    says it belongs to (W3C). What repeats itself is quoted once; an id is of letters that need no escape.
    """
    ended, method, path, status, seconds, request_id, model, code, trace = row
    trace_id = trace_id_of(trace) if trace is not None else None
    traced = f'"{trace_id.decode()}"' if trace_id is not None else "null"
    return (
        f'{{"time":{ended:.3f},"method":"{method}","path":{_quoted_path(path)},"status":{status},'
        f'"milliseconds":{seconds * 1000:.2f},"request_id":"{request_id.decode()}","model":{_quoted(model)},'
        f'"code":{_quoted(code)},"trace_id":{traced}}}\n'
    )


def _text(path: bytes) -> str:
    return path[:PATH_LIMIT].decode("latin-1")


@lru_cache(maxsize=256)
def _quoted(text: str | None) -> str:
    return msgspec.json.encode(text).decode()


@lru_cache(maxsize=256)
def _quoted_path(path: bytes) -> str:
    return _quoted(_text(path))


FORMS: Final[Mapping[LogForm, Callable[[Iterable[Row]], str]]] = MappingProxyType({"line": as_lines, "json": as_json})


class Out(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...


class AccessLog:
    """Rows gather for a moment and are written together: a system call each would cost more than the rest."""

    def __init__(self, out: Out, form: LogForm) -> None:
        self._out = out
        self._form = FORMS[form]
        self._rows: list[Row] = []

    def record(self, scope: Scope, status: int, seconds: float, code: str | None) -> None:
        """A request is over."""
        trace = scope[HEADERS].get(TRACE)
        what, who = scope["raw_path"], scope[REQUEST_ID]
        self._add((time(), scope["method"], what, status, seconds, who, scope.get(MODEL), code, trace))

    def refuse(self, request_id: bytes, status: int, code: str | None) -> None:
        """A connection ends whose bytes were no request."""
        self._add((time(), "-", b"-", status, 0.0, request_id, None, code, None))

    def _add(self, row: Row) -> None:
        if not self._rows:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._rows.append(row)

    def flush(self) -> None:
        """Write what has gathered."""
        rows, self._rows = self._rows, []
        self._out.write(self._form(rows))
        self._out.flush()
