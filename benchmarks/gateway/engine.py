"""An engine that streams by the clock: `python -m benchmarks.gateway.engine PORT`.

Each delta's text is its number and the moment at which it was handed to the system, on the clock that all processes
of a machine share. A request says in its message how fast; without `stream` it gets the plain answer at once.
"""

import asyncio
import json
import re
import sys
import time
from typing import Any, cast

import httptools
import uvloop

from benchmarks.gateway.configurations import model_list
from benchmarks.gateway.question import MODEL, answer

PACE = re.compile(rb"(\d+) ms, (\d+) deltas, (\d+) bytes: ")
STREAM = re.compile(rb'"stream": ?true')
WANTS_USAGE = re.compile(rb'"include_usage": ?true')
EVENT = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"%b",%%b}\n\n' % MODEL.encode()
DELTA = b'"choices":[{"index":0,"delta":{"content":"%d %d %b"},"finish_reason":null}]'
STOP = EVENT % b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]'
USAGE = b'"choices":[],"usage":{"prompt_tokens":200,"completion_tokens":%d,"total_tokens":%d}'
DONE = b"data: [DONE]\n\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
HEAD += b"x-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n"
SEARCHED = 4096  # bytes of a body: what asks for a stream is no larger


class EngineConnection(asyncio.Protocol):
    """One connection of a proxy: one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._is_waiting = False
        self._url = self._body = b""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._is_waiting:
            self._is_waiting = False
            self._tick()

    # httptools

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_body(self, data: bytes) -> None:
        if len(self._body) < SEARCHED:
            self._body += data

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        pace = PACE.search(body, 0, SEARCHED)
        if pace is not None and STREAM.search(body, 0, SEARCHED):
            self._wants_usage = WANTS_USAGE.search(body, 0, SEARCHED) is not None
            self._begin(*map(int, pace.groups()))
        else:
            self._reply(json.dumps(model_list()).encode() if self._url == b"/v1/models" else answer())

    # Answers

    def _reply(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)

    def _begin(self, milliseconds: int, deltas: int, size: int) -> None:
        self._interval = milliseconds / 1000
        self._deltas = deltas
        self._number = 0
        self._padding = b"x" * size
        self._transport.write(HEAD)
        self._due = self._loop.time()
        self._tick()

    def _tick(self) -> None:
        """One delta; the next is due by the schedule, however late this one was, once the peer has room for it."""
        if self._is_paused:
            self._is_waiting = True
            return
        if self._number == self._deltas:
            self._end()
            return
        self._transport.write(_chunk(EVENT % (DELTA % (self._number, time.monotonic_ns(), self._padding))))
        self._number += 1
        self._due += self._interval
        self._timer = self._loop.call_at(self._due, self._tick)

    def _end(self) -> None:
        events = [STOP, DONE]
        if self._wants_usage:
            events.insert(1, EVENT % (USAGE % (self._deltas, 200 + self._deltas)))
        self._transport.write(b"".join(map(_chunk, events)) + b"0\r\n\r\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def main(port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(EngineConnection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
