"""What the listings and the bytes of the store have in common."""

from collections.abc import Iterable

from proxy.artifacts.kinds import ANYTHING as UNKNOWN
from proxy.artifacts.kinds import TYPES
from proxy.openapi.operation import ANYTHING, BYTES, Bodies, Operation, Parameter

CONTENT_HEADERS = ("etag", "accept-ranges", "content-range", "content-disposition")
CONTENT_ERRORS = frozenset({"405", "416"})
ID = r"art_[0-9a-f]{32}"

ARTIFACT_ID = Parameter("artifact_id", "path", "an artifact's id", {"type": "string", "pattern": f"^{ID}$"})
FILE_ID = Parameter("file_id", "path", "a file's id, which is its artifact's", {"type": "string", "pattern": f"^{ID}$"})
ORDER = Parameter("order", "query", "by time; newest first if left out", {"enum": ["asc", "desc"]})
EXPIRES = Parameter(
    "expires", "query", "of a signed address: seconds since 1970, until when it needs no key", {"type": "string"}
)
RANGES = (
    Parameter(
        *("range", "header", "one part of the bytes; what is not understood is passed over"),
        {"type": "string"},
    ),
    Parameter("if-range", "header", "the etag for which the range is meant", {"type": "string"}),
    Parameter("if-none-match", "header", "the etags that the caller has", {"type": "string"}),
)


def limit(most: int, usual: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    return Parameter("limit", "query", "how many at most", schema)


def text(name: str, description: str, pattern: str | None = None) -> Parameter:
    """A value of the query."""
    schema = {"type": "string", "minLength": 1, "maxLength": 1024}
    return Parameter(name, "query", description, schema | ({"pattern": pattern} if pattern is not None else {}))


def content(
    path: str, summary: str, parameters: Iterable[Parameter], types: Iterable[str] = (*TYPES, UNKNOWN)
) -> Operation:
    """Bytes, whole or in part, again only if they changed."""
    bodies: Bodies = {kind: ANYTHING if kind.endswith("json") else BYTES for kind in types}
    return Operation(
        "GET",
        path,
        summary,
        {200: bodies, 206: bodies, 304: {}},
        errors=CONTENT_ERRORS,
        parameters=(*parameters, *RANGES),
        headers=CONTENT_HEADERS,
    )


def names_of(parameters: Iterable[Parameter]) -> frozenset[str]:
    return frozenset(parameter.name for parameter in parameters)
