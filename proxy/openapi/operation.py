"""One operation as its endpoint declares it: what it takes, and what it answers when all is well.

What every answer of the proxy may be besides, `document.py` knows: errors, headers, the key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

Schema = type[BaseModel] | Mapping[str, Any]
Bodies = Mapping[str, Schema]  # by media type

REFERENCE = "#/components/schemas/{model}"
JSON = "application/json"
EVENTS = "text/event-stream"
FORM = "multipart/form-data"
ANYTHING: Schema = {}
TEXT: Schema = {"type": "string"}
OBJECT: Schema = {"type": "object"}
BYTES: Schema = {"type": "string", "format": "binary"}


@dataclass(frozen=True)
class Parameter:
    """A value of the path, the query or a header (`place`: path, query, header)."""

    name: str
    place: str
    description: str
    schema: Mapping[str, Any]

    def render(self) -> dict[str, Any]:
        told = {"name": self.name, "in": self.place, "description": self.description, "schema": dict(self.schema)}
        return told | {"required": self.place == "path"}


@dataclass(frozen=True)
class Operation:
    """A method at a path.

    path: with its parameters in braces; route: the router's own path, where one route serves several
    answers: by status, those that are no error; errors: statuses beside those that every answer may have
    headers: names of those that its answers may have beside what every answer may have
    is_anthropic: its own errors have the shape of Anthropic's
    is_signable: a signed address opens it without a key
    """

    method: str
    path: str
    summary: str
    answers: Mapping[int, Bodies]
    errors: frozenset[str] = frozenset()
    request: Bodies = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    route: str = ""
    headers: tuple[str, ...] = ()
    is_anthropic: bool = False
    is_signable: bool = False

    @property
    def served_by(self) -> tuple[str, str]:
        """Method and path of the route that answers it."""
        return self.method, self.route or self.path


def model_parameter(description: str = "the model's name, or an alias of it") -> Parameter:
    return Parameter("model", "path", description, {"type": "string", "minLength": 1})
