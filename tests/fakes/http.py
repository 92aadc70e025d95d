"""A small HTTP/1.1 server for fakes: it can do what a good server never does, such as die inside an answer."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Request:
    """What came in. Header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


class Exchange:
    """One request, and the means to answer it. `gone` is set when the client leaves before the answer's end."""

    def __init__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self.gone = asyncio.Event()
        self._writer = writer

    async def start(self, status: int, content_type: str, length: int | None = None) -> None:
        """The head; without a length the body is chunked."""
        framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        self.raw(f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\n{framing}\r\n\r\n".encode())
        await self._writer.drain()

    async def chunk(self, data: bytes) -> None:
        """A chunk of the body; an empty one ends it."""
        self.raw(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()

    async def answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        """A whole answer."""
        await self.start(status, content_type, len(body))
        self.raw(body)

    def raw(self, data: bytes) -> None:
        """Bytes, whatever they are."""
        if not self._writer.is_closing():
            self._writer.write(data)

    async def die(self) -> None:
        """Cut the connection, once what was written has left."""
        await asyncio.sleep(0)
        self._writer.transport.abort()


Handler = Callable[[Exchange], Awaitable[None]]


class HttpServer:
    """Serves `handler` on loopback. Port 0 takes a free one, which stays the same over a stop and a start."""

    def __init__(self, handler: Handler, port: int = 0, host: str = "127.0.0.1") -> None:
        self.port = port
        self.host = host
        self.connections = 0
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Like kill -9: the listener and every connection are gone."""
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while request := await _read_request(reader):
                await self._exchange(Exchange(request, writer), reader)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, exchange: Exchange, reader: asyncio.StreamReader) -> None:
        watch = asyncio.create_task(_watch(exchange, reader))
        try:
            await self._handler(exchange)
        finally:
            watch.cancel()
            await asyncio.wait((watch,))


async def _watch(exchange: Exchange, reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read(1)
    exchange.gone.set()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)
