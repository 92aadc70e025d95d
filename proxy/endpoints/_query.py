"""Values of a URL's query: read strictly, since one that is not understood would be a wish that nobody heard."""

from collections.abc import Mapping
from urllib.parse import parse_qs

from contract.errors import ApiError
from proxy.gateway.asgi import Scope
from proxy.openapi.operation import Parameter

TRUTH = "^([Tt]rue|[Ff]alse|1|0)$"
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def query_of(scope: Scope) -> Mapping[str, list[str]]:
    """The query, by name."""
    return parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def text_in(query: Mapping[str, list[str]], name: str) -> str | None:
    """A value, None where there is none. Raises ApiError (400) for one that stands twice."""
    values = query.get(name, [])
    if len(values) > 1:
        raise ApiError(400, "invalid_value", f"'{name}' stands twice; send it once.", param=name)
    return values[0] if values else None


def truth_in(query: Mapping[str, list[str]], name: str) -> bool:
    """A truth, false where there is none. Raises ApiError (400)."""
    value = text_in(query, name)
    if value is not None and value.lower() not in _TRUTHS:
        raise ApiError(400, "invalid_value", f"'{name}': write true or false.", param=name)
    return value is not None and _TRUTHS[value.lower()]


def truth_parameter(name: str, description: str) -> Parameter:
    return Parameter(name, "query", description, {"type": "string", "pattern": TRUTH})
