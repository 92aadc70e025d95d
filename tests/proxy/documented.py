"""Whether the OpenAPI document tells of what a proxy has answered."""

import re
from collections.abc import Iterable, Iterator

from proxy.endpoints import find_operations
from proxy.openapi.errors import errors_of
from proxy.openapi.operation import Operation

Answer = tuple[str, str, int]  # method, path and status
CALLER_LEFT = 499  # in the access log alone: nobody is there to get it
OPERATIONS = tuple(sorted(find_operations(), key=lambda operation: operation.path.count("{")))


def undocumented(answers: Iterable[Answer]) -> list[str]:
    """Those that the document should tell of, and does not. Methods and paths that it does not have are none of its."""
    return sorted(set(_missing(answers)))


def _missing(answers: Iterable[Answer]) -> Iterator[str]:
    for method, path, status in answers:
        operation = _operation("GET" if method == "HEAD" else method, path)
        if operation is not None and status != CALLER_LEFT and not _tells(operation, status):
            yield f"{operation.method} {operation.path}: {status}"


def _operation(method: str, path: str) -> Operation | None:
    """That of the path with the fewest parameters."""
    return next((each for each in OPERATIONS if each.method == method and _pattern(each.path).fullmatch(path)), None)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))


def _tells(operation: Operation, status: int) -> bool:
    told = {*map(str, operation.answers), *errors_of(operation)}
    return str(status) in told or (400 <= status < 500 and "4XX" in told)
