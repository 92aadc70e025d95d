"""The parameters of a listing's address, held to those that there are."""

import math
from collections.abc import Collection
from urllib.parse import parse_qsl

from contract.errors import ApiError
from proxy.gateway.asgi import Scope

LONGEST = 1024  # characters of a value


class Parameters:
    """An address's query, of which only `known` names are good. Raises ApiError (400), as every method does."""

    def __init__(self, scope: Scope, known: Collection[str]) -> None:
        self._values: dict[str, str] = {}
        for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
            if name not in known:
                message = f"There is no parameter '{name[:64]}'; there are: {', '.join(sorted(known))}."
                raise ApiError(400, "unknown_parameter", message, param=name[:64])
            if name in self._values:
                value = f"{self._values[name]},{value}"  # noqa: PLW2901
            self._values[name] = value
            if not 1 <= len(value) <= LONGEST:
                raise wrong_value(name, f"is a text of 1 to {LONGEST} characters; leave it out if there is none")

    def text(self, name: str) -> str | None:
        return self._values.get(name)

    def number(self, name: str) -> float | None:
        """Seconds since 1970."""
        text = self.text(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError as error:
            raise wrong_value(name, "is a number of seconds since 1970") from error
        if not (math.isfinite(value) and 0 <= value < 1e12):
            raise wrong_value(name, "is a number of seconds since 1970")
        return value

    def whole(self, name: str, default: int, most: int) -> int:
        """From 1 to `most`."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
            raise wrong_value(name, f"is a whole number from 1 to {most}")
        return int(text)

    def is_oldest_first(self) -> bool:
        order = self.text("order") or "desc"
        if order not in {"asc", "desc"}:
            raise wrong_value("order", "is asc or desc")
        return order == "asc"


def wrong_value(name: str, what: str) -> ApiError:
    return ApiError(400, "invalid_value", f"'{name}' {what}.", param=name)
