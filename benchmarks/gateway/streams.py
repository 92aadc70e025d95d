"""A client of streams that adds as little as it can: raw protocols, and nothing decided until the streams are over."""

import asyncio
import gc
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

from benchmarks.gateway.question import PATH, chat, pace

CONTENT = re.compile(rb'"content": ?"(\d+) (\d+) ')
CONNECTIONS_AT_ONCE = 50
PATIENCE = 60.0
SINGLE_MILLISECONDS, SINGLE_DELTAS = 5, 4  # of a stream whose first byte is timed


@dataclass(frozen=True)
class Arrival:
    """A delta: its number, when it was sent and when it came, in nanoseconds of the machine's clock."""

    number: int
    sent: int
    came: int


@dataclass
class Stream:
    """What came of one stream. `chunks` are those of the transfer coding, `events` the deltas that they held."""

    arrivals: list[Arrival] = field(default_factory=list)
    chunks: int = 0
    is_whole: bool = False

    def is_in_order(self, deltas: int) -> bool:
        """Whether every delta came once, in its turn, and then the end."""
        return self.is_whole and [each.number for each in self.arrivals] == list(range(deltas))


class StreamConnection(asyncio.Protocol):
    """Asks for one stream at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._rest = b""

    async def ask(self, request: bytes) -> Stream:
        """One request, to the end of its stream or of the connection. Raises ConnectionError and TimeoutError."""
        if self._transport.is_closing():
            raise ConnectionError("the proxy closed the connection between two requests")
        self._stream = Stream()
        self._parser: Any = httptools.HttpResponseParser(self)
        self.first_byte, self._rest = 0, b""
        self.asked = time.monotonic_ns()
        self._waiter = self._loop.create_future()
        self._transport.write(request)
        async with asyncio.timeout(PATIENCE):
            await self._waiter
        return self._stream

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._now = time.monotonic_ns()
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wake()

    # httptools

    def on_body(self, data: bytes) -> None:
        self._rest += data
        whole, end, rest = self._rest.rpartition(b"\n\n")
        if not end:
            return
        self._rest = rest
        found = [Arrival(int(number), int(sent), self._now) for number, sent in CONTENT.findall(whole)]
        if found and not self._stream.arrivals:
            self.first_byte = self._now
        self._stream.arrivals += found
        self._stream.chunks += bool(found)

    def on_message_complete(self) -> None:
        self._stream.is_whole = self._parser.get_status_code() == 200
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def request_of(base_url: str, key: str, pace_of_it: str) -> bytes:
    body = chat(stream=True, pace=pace_of_it)
    head = f"POST {PATH} HTTP/1.1\r\nhost: {urlsplit(base_url).netloc}\r\nauthorization: Bearer {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def connect(base_url: str) -> StreamConnection:
    where = urlsplit(base_url)
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(StreamConnection, where.hostname or "", where.port or 80)
    return protocol


async def many(base_url: str, key: str, count: int, milliseconds: int, deltas: int) -> list[Stream]:
    """So many streams at once, their beginnings spread over one interval or a second, whichever is longer."""
    request = request_of(base_url, key, pace(milliseconds, deltas))
    spread = max(milliseconds / 1000, 1.0)
    gate = asyncio.Semaphore(CONNECTIONS_AT_ONCE)

    async def one(number: int) -> Stream:
        await asyncio.sleep(spread * number / count)
        async with gate:
            connection = await connect(base_url)
        try:
            return await connection.ask(request)
        finally:
            connection.close()

    with _without_collector():
        return await asyncio.gather(*map(one, range(count)))


async def first_bytes(base_url: str, key: str, count: int) -> tuple[list[float], list[Stream]]:
    """Seconds from a request to its first delta, one after the other on one connection; and the streams."""
    request = request_of(base_url, key, pace(SINGLE_MILLISECONDS, SINGLE_DELTAS))
    connection = await connect(base_url)
    seconds, streams = [], []
    with _without_collector():
        for _ in range(count):
            streams.append(await connection.ask(request))
            seconds.append((connection.first_byte - connection.asked) / 1e9)
    connection.close()
    return seconds, streams


@contextmanager
def _without_collector() -> Iterator[None]:
    """A pause of this process would be taken for one of the proxy's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
