"""Of an engine's Prometheus metrics the few that tell whether it works."""

import asyncio
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from manager.engines.kind import Metrics

PATH = "/metrics"
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LONGEST = 8 * 2**20  # bytes; vLLM's text has a tenth of a megabyte


@dataclass(frozen=True)
class Sample:
    """What an engine says of its work at one moment: requests that it has, and figures that change as it works."""

    outstanding: float
    progress: tuple[float, ...]


async def scrape(client: httpx.AsyncClient, endpoint: str, names: Metrics, deadline: float) -> Sample | None:
    """What the engine says of its work, or None where it says nothing of use within `deadline` seconds."""
    try:
        async with asyncio.timeout(deadline):
            text = await _text(client, endpoint + PATH)
    except (httpx.RequestError, TimeoutError):
        return None
    return sample_of(text, names)


async def _text(client: httpx.AsyncClient, url: str) -> str:
    """An answer of status 200; nothing of any other, and not more than `LONGEST` of it."""
    text = bytearray()
    # A connection of its own: one that waited for the next scrape is about to be closed by the engine just then.
    async with client.stream("GET", url, headers={"connection": "close"}) as answer:
        if answer.status_code != httpx.codes.OK:
            return ""
        async for part in answer.aiter_bytes():
            text += part
            if len(text) > LONGEST:
                return ""
    return text.decode(errors="replace")


def sample_of(text: str, names: Metrics) -> Sample | None:
    """The sample in a metrics text, or None where it lacks the names. Values of one name are added over its labels."""
    sums: dict[str, float] = {}
    for name, value in _values(text, frozenset((names.running, names.waiting, *names.progress))):
        sums[name] = sums.get(name, 0.0) + value
    progress = tuple(sums[name] for name in names.progress if name in sums)
    if names.running not in sums or names.waiting not in sums or not progress:
        return None
    return Sample(sums[names.running] + sums[names.waiting], progress)


def _values(text: str, wanted: frozenset[str]) -> Iterator[tuple[str, float]]:
    for line in text.splitlines():
        found = NAME.match(line)
        if found is not None and found[0] in wanted:
            value = _value(line[found.end() :])
            if math.isfinite(value):
                yield found[0], value


def _value(rest: str) -> float:
    """The number behind a name and its labels, which may hold any character but a bare quote; NaN where it is none."""
    words = rest.rpartition("}")[2].split()
    try:
        return float(words[0])
    except (IndexError, ValueError):
        return math.nan
