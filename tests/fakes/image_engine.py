"""A fake image engine: the three image endpoints, plain and streamed, and what an engine can do wrong.

async with FakeImageEngine(ImageKnobs(...)) as engine: it listens at `engine.url`, and `engine.asked` tells of what.
"""

import asyncio
import base64
import json
import time
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from types import TracebackType
from typing import Any, Self

from tests.fakes.engine import Record
from tests.fakes.http import Exchange, HttpServer, Request
from tests.fakes.pictures import png

KINDS = {
    "/v1/images/generations": "image_generation",
    "/v1/images/edits": "image_edit",
    "/v1/images/variations": "image_edit",
}


@dataclass(frozen=True)
class ImageKnobs:
    """What the engine does. Counts are of events, None is never; `padding` bytes stand before each picture's end."""

    steps: int = 4
    padding: int = 0
    comments: int = 0
    delay: float = 0.0
    die_after: int | None = None
    hang_after: int | None = None
    hang_before_head: bool = False
    status: int = 200
    code: str = "bad"
    headers: tuple[str, ...] = ()


@dataclass
class Asked:
    """One request as the engine read it. Files: field name, file name, bytes."""

    path: str
    fields: dict[str, Any]
    files: list[tuple[str, str, bytes]] = field(default_factory=list)


class FakeImageEngine:
    """`seen` counts requests and aborts as the text engine's does."""

    def __init__(self, knobs: ImageKnobs | None = None) -> None:
        self.knobs = knobs or ImageKnobs()
        self.seen = Record()
        self.asked: list[Asked] = []
        self.server = HttpServer(self._handle)

    @property
    def url(self) -> str:
        return self.server.url

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.stop()

    async def _handle(self, exchange: Exchange) -> None:
        self.seen.requests.append(exchange.request)
        self.asked.append(read(exchange.request))
        self.seen.arrived.set()
        answer = asyncio.create_task(self._answer(exchange, self.asked[-1]))
        gone = asyncio.create_task(exchange.gone.wait())
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or isinstance(answer.exception(), ConnectionError):
            self.seen.aborts.append(time.monotonic())
            self.seen.aborted.set()
        gone.cancel()
        answer.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)

    async def _answer(self, exchange: Exchange, asked: Asked) -> None:
        knobs = self.knobs
        if knobs.hang_before_head:
            await asyncio.Event().wait()
        if knobs.status != 200:
            await self._refuse(exchange)
        elif asked.fields.get("stream") in {True, "true", "True", "1"}:
            await self._stream(exchange, asked)
        else:
            pictures = [self._picture() | {"seed": 7 + number} for number in range(int(asked.fields.get("n", 1)))]
            document = {"created": 1, "data": pictures, "output_format": "png", "size": "64x64"}
            await exchange.answer(200, json.dumps(document).encode())

    async def _refuse(self, exchange: Exchange) -> None:
        kind = "server_error" if self.knobs.status >= 500 else "invalid_request_error"
        error = {"message": "fake failure", "type": kind, "param": "size", "code": self.knobs.code}
        body = json.dumps({"error": error}).encode()
        lines = (f"HTTP/1.1 {self.knobs.status} X", "content-type: application/json", *self.knobs.headers)
        exchange.raw("\r\n".join((*lines, f"content-length: {len(body)}", "", "")).encode() + body)

    async def _stream(self, exchange: Exchange, asked: Asked) -> None:
        await exchange.start(200, "text/event-stream")
        for _ in range(self.knobs.comments):
            await exchange.chunk(b": keep-alive\n\n")
            await asyncio.sleep(self.knobs.delay)
        for number, (kind, fields) in enumerate(self._events(asked)):
            if self.knobs.hang_after == number:
                await asyncio.Event().wait()
            if self.knobs.die_after == number:
                await exchange.die()
                return
            await exchange.chunk(f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode())
            await asyncio.sleep(self.knobs.delay)
        await exchange.chunk(b"")

    def _events(self, asked: Asked) -> list[tuple[str, dict[str, Any]]]:
        kind = KINDS[asked.path]
        events: list[tuple[str, dict[str, Any]]] = []
        if asked.fields.get("progress") in {True, "true"}:
            events += [(f"{kind}.progress", {"step": step, "steps": self.knobs.steps}) for step in (1, 2)]
        for index in range(int(asked.fields.get("partial_images", 0))):
            events.append((f"{kind}.partial_image", self._picture() | {"partial_image_index": index}))
        return [*events, (f"{kind}.completed", self._picture() | {"seed": 7, "usage": _usage()})]

    def _picture(self) -> dict[str, Any]:
        data = base64.b64encode(png() + b"\0" * self.knobs.padding).decode()
        return {"b64_json": data, "created_at": 1, "output_format": "png", "size": "64x64", "quality": "auto"}


def read(request: Request) -> Asked:
    """A request as an engine reads it. The form's parser is not the one that the proxy uses."""
    kind = request.headers["content-type"]
    if kind == "application/json":
        return Asked(request.path, json.loads(request.body))
    message = BytesParser(policy=HTTP).parsebytes(f"content-type: {kind}\r\n\r\n".encode() + request.body)
    asked = Asked(request.path, {})
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        filename = part.get_filename()
        assert isinstance(data, bytes)
        if filename is None:
            asked.fields[name] = data.decode()
        else:
            asked.files.append((name, filename, data))
    return asked


def _usage() -> dict[str, Any]:
    details = {"image_tokens": 0, "text_tokens": 1}
    return {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "input_tokens_details": details}
