"""Amounts of memory as people write them."""

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_MOST = 2**60  # an exbibyte: what is more was not meant, and past a float's range cannot be reckoned with
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]{0,3})")


def parse_bytes(value: object) -> int:
    """`"8GiB"`, `"500 MB"` or a whole number of bytes -> bytes. Raises ValueError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError('write an amount of memory such as "8GiB", "500MB" or a whole number of bytes')
    return min(_MOST, int(float(match[1]) * _UNITS[match[2].upper()]))


def show_bytes(amount: int) -> str:
    """Bytes -> the shortest text in binary units: 8589934592 -> `8 GiB`."""
    for power, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if amount >= power:
            return f"{round(amount / power, 2):g} {unit}"
    return f"{amount} B"


ByteCount = Annotated[
    int,
    BeforeValidator(parse_bytes),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["8GiB", 8589934592]}),
]
