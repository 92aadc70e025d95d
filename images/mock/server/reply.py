"""One request and its answer: the body read within bounds, and a caller who leaves ends the work."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from images.mock.server.errors import refused
from images.mock.server.settings import Knobs

BODY_MOST = 64 * 2**20


class Reply:
    """An answer as it is written: whole, or event by event."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def whole(self, data: bytes, content_type: str = "application/json") -> None:
        await self._start(content_type)
        await self._send({"type": "http.response.body", "body": data})

    async def document(self, document: object) -> None:
        await self.whole(json.dumps(document).encode())

    async def begin_events(self) -> None:
        await self._start("text/event-stream; charset=utf-8")

    async def raw(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def event(self, data: str, name: str | None = None) -> None:
        await self.raw(f"{f'event: {name}{chr(10)}' if name else ''}data: {data}\n\n".encode())

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    async def _start(self, content_type: str) -> None:
        headers = [(b"content-type", content_type.encode())]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})


Answer = Callable[[Request, bytes, Reply], Awaitable[None]]


class Endpoint:
    """ASGI: `answer` is called with the whole body, and cancelled once the caller is gone."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            body = await _read(request)
        except ClientDisconnect:
            return
        working = asyncio.ensure_future(self._answer(request, body, Reply(send)))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            working.cancel()
            leaving.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)


def knobs_of(told: dict[str, Any] | None, base: Knobs, *, allowed: bool) -> Knobs:
    """The engine's own knobs, or what a request says otherwise. Raises ApiError where it may not."""
    if told is None:
        return base
    if not allowed:
        message = "This mock engine takes no knobs from requests; start it with the argument knobs-in-requests."
        raise refused("unsupported_parameter", message, "mock")
    return Knobs.model_validate(base.model_dump() | told)


async def _read(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_MOST:
            raise refused("request_too_large", f"The body is longer than {BODY_MOST} bytes.", status=413)
        parts.append(part)
    return b"".join(parts)


async def _gone(receive: Receive) -> None:
    """The body has been read: what comes now is the connection's end."""
    while (await receive())["type"] != "http.disconnect":
        pass
