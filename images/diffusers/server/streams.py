"""Server-sent events: an early failure still has its status, a late one is the last event, silence is filled."""

import asyncio
from collections.abc import AsyncIterator

from pydantic import BaseModel
from starlette.types import Send

from contract.errors import ApiError

# Seconds in which a failure can still be a status, and of silence between two comments.
EARLY, SILENCE = 5.0, 10.0
COMMENT = b": still at work\n\n"
HEADERS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"))


async def send_events(send: Send, events: AsyncIterator[BaseModel]) -> None:
    """Sends every event under its `type`. Raises ApiError only where nothing was sent yet."""
    stream = _Stream(send)
    pending = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            await asyncio.wait({pending}, timeout=SILENCE if stream.started else EARLY)
            if not pending.done():
                await stream.write(COMMENT)
                continue
            event = await _or_told(pending, stream)
            if event is None:
                break
            await stream.write(event)
            pending = asyncio.ensure_future(anext(events, None))
    finally:
        pending.cancel()
    await stream.end()


async def _or_told(pending: "asyncio.Future[BaseModel | None]", stream: "_Stream") -> bytes | None:
    """The next event's bytes; None at the end, which is also where a failure was told."""
    try:
        event = await pending
    except ApiError as error:
        if not stream.started:
            raise
        await stream.write(error.event())
        return None
    return None if event is None else as_bytes(event)


def as_bytes(event: BaseModel) -> bytes:
    """An event with a `type`, as it goes over the wire."""
    data = event.model_dump_json(exclude_none=True)
    return f"event: {getattr(event, 'type', 'message')}\ndata: {data}\n\n".encode()


class _Stream:
    """An answer that begins with its first bytes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def write(self, data: bytes) -> None:
        if not self.started:
            self.started = True
            await self._send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        if not self.started:
            await self.write(b"")
        await self._send({"type": "http.response.body", "body": b""})
