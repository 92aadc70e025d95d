"""How long a model stays without use, as users of Ollama (`keep_alive`) and of LM Studio (`ttl`) write it."""

import re
from math import inf
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LONGEST = 2**63 / 1e9  # seconds, about 292 years: the longest duration that Go knows
TEXT_LIMIT = 64

_UNITS = MappingProxyType(
    {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
)
_PART = re.compile(rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(_UNITS)})")
_DURATION = re.compile(rf"([+-]?)((?:{_PART.pattern})+)")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")


class KeepWish(BaseModel):
    """The body of `POST /models/{name}/keep`: seconds without use until the model is unloaded; None is for ever."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    seconds: Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)] | None

    @classmethod
    def of(cls, seconds: float) -> "KeepWish":
        """Seconds, inf for ever -> the wish."""
        return cls(seconds=None if seconds == inf else seconds)

    @property
    def lasting(self) -> float:
        """Seconds, inf for ever."""
        return inf if self.seconds is None else self.seconds


def parse_keep(value: object) -> float:
    """A `keep_alive` -> seconds: 0 is until the request is done, inf is for ever.

    It is a number of seconds or a text such as "5m", "1h30m", "300ms" or "-1"; what is negative is for ever. Raises
    ValueError for anything else.
    """
    seconds = _seconds_of(value)
    if seconds < 0:
        return inf
    if not seconds <= LONGEST:  # nor is NaN, of which nothing is true
        raise ValueError("it is longer than 292 years; a negative number says for ever")
    return abs(float(seconds))  # a zero may have a sign


def parse_ttl(value: object) -> float:
    """A `ttl` -> seconds: a whole number over 0. Raises ValueError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LONGEST:
        raise ValueError("write a whole number of seconds, 1 or more")
    return float(value)


def _seconds_of(value: object) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value  # a whole number may be larger than a float can be
    text = value if isinstance(value, str) and len(value) <= TEXT_LIMIT else ""
    if _NUMBER.fullmatch(text):
        return float(text)
    written = _DURATION.fullmatch(text)
    if written is None:
        raise ValueError('write seconds, or a duration such as "5m", "1h30m" or "300ms"; a negative one is for ever')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(written[2]))
    return -seconds if written[1] == "-" else seconds
