"""A fake engine: OpenAI chat and text completions, with knobs for everything that an engine can do wrong.

The knobs' values are the engine's own, or those of one request: `{"fake": {"die_after": 2}}` in its body. As a program:

    python -m tests.fakes.engine --port 8001 --tokens 5 --delay 0.05
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field, fields, replace
from types import TracebackType
from typing import Any, Self

from tests.fakes.http import Exchange, HttpServer, Request

COMPLETIONS = {"/v1/chat/completions": "chat.completion", "/v1/completions": "text_completion"}


@dataclass(frozen=True)
class Knobs:
    """What the engine does. Times are seconds; `*_after` counts tokens, None is never."""

    tokens: int = 5
    delay: float = 0.0
    first_delay: float = 0.0
    die_after: int | None = None
    die_inside_event: bool = False
    hang_after: int | None = None
    hang_before_head: bool = False
    error_after: int | None = None
    status: int = 200
    content_type: str | None = None
    garbage: str | None = None
    raw: str | None = None
    without_done: bool = False
    after_done: str | None = None


@dataclass
class Record:
    """What happened, and events to wait for it."""

    requests: list[Request] = field(default_factory=list)
    aborts: list[float] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    aborted: asyncio.Event = field(default_factory=asyncio.Event)


class FakeEngine:
    """`async with FakeEngine(...) as engine`: it listens at `engine.url`."""

    def __init__(self, knobs: Knobs | None = None, *, host: str = "127.0.0.1", port: int = 0, name: str = "") -> None:
        self.knobs = knobs or Knobs()
        self.seen = Record()
        self.name = name
        self.server = HttpServer(self._handle, port, host)

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
        path = exchange.request.path
        if path in COMPLETIONS:
            await self._complete(exchange)
        elif path == "/health":
            await exchange.answer(200, b"")
        elif path == "/v1/models":
            await exchange.answer(200, json.dumps({"object": "list", "data": [{"id": self.name}]}).encode())
        elif path == "/metrics":
            await exchange.answer(200, b"", "text/plain")
        else:
            await exchange.answer(404, b'{"detail":"Not Found"}')

    async def _complete(self, exchange: Exchange) -> None:
        self.seen.requests.append(exchange.request)
        self.seen.arrived.set()
        answer = asyncio.create_task(self._answer(exchange))
        gone = asyncio.create_task(exchange.gone.wait())
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or isinstance(answer.exception(), ConnectionError):
            self.seen.aborts.append(time.monotonic())
            self.seen.aborted.set()
        gone.cancel()
        answer.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)

    async def _answer(self, exchange: Exchange) -> None:
        request = json.loads(exchange.request.body)
        knobs = replace(self.knobs, **request.get("fake", {}))
        if knobs.raw is not None:
            exchange.raw(knobs.raw.encode("latin-1"))
            await exchange.die()
            return
        if knobs.hang_before_head:
            await asyncio.Event().wait()
        if knobs.status != 200:
            await exchange.answer(knobs.status, _error(knobs.status), knobs.content_type or "application/json")
        elif request.get("stream"):
            await _stream(exchange, knobs, request)
        else:
            await _plain(exchange, knobs, request)


async def _plain(exchange: Exchange, knobs: Knobs, request: dict[str, Any]) -> None:
    await asyncio.sleep(knobs.first_delay + knobs.tokens * knobs.delay)
    kind = COMPLETIONS[exchange.request.path]
    text = "".join(_token(number) for number in range(knobs.tokens))
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    choice |= {"message": {"role": "assistant", "content": text}} if kind == "chat.completion" else {"text": text}
    document = _envelope(kind, request) | {"choices": [choice], "usage": _usage(knobs)}
    body = (knobs.garbage or json.dumps(document)).encode("latin-1")
    await exchange.start(200, knobs.content_type or "application/json", len(body))
    if knobs.die_after is not None:
        exchange.raw(body[: len(body) // 2] if knobs.die_after else b"")
        await exchange.die()
        return
    exchange.raw(body)


async def _stream(exchange: Exchange, knobs: Knobs, request: dict[str, Any]) -> None:
    if knobs.die_after == 0:
        await exchange.die()
        return
    await exchange.start(200, knobs.content_type or "text/event-stream; charset=utf-8")
    await asyncio.sleep(knobs.first_delay)
    for number in range(knobs.tokens):
        if await _misbehave(exchange, knobs, number):
            return
        await exchange.chunk(knobs.garbage.encode("latin-1") if knobs.garbage else _event(exchange, request, number))
        await asyncio.sleep(knobs.delay)
    if (request.get("stream_options") or {}).get("include_usage"):
        await exchange.chunk(_data(_chunk(exchange, request) | {"choices": [], "usage": _usage(knobs)}))
    if not knobs.without_done:
        await exchange.chunk(b"data: [DONE]\n\n")
    if knobs.after_done is not None:
        await exchange.chunk(knobs.after_done.encode())
    await exchange.chunk(b"")


async def _misbehave(exchange: Exchange, knobs: Knobs, number: int) -> bool:
    """Whether the answer ends here, and how."""
    if knobs.hang_after == number:
        await asyncio.Event().wait()
    if knobs.error_after == number:
        await exchange.chunk(_data(json.loads(_error(500))) + b"data: [DONE]\n\n")
        await exchange.chunk(b"")
        return True
    if knobs.die_after != number:
        return False
    if knobs.die_inside_event:
        await exchange.chunk(b'data: {"id": "half')
    await exchange.die()
    return True


def _event(exchange: Exchange, request: dict[str, Any], number: int) -> bytes:
    choice: dict[str, Any] = {"index": 0, "finish_reason": None}
    is_chat = exchange.request.path.endswith("/chat/completions")
    choice |= {"delta": {"content": _token(number)}} if is_chat else {"text": _token(number)}
    return _data(_chunk(exchange, request) | {"choices": [choice]})


def _chunk(exchange: Exchange, request: dict[str, Any]) -> dict[str, Any]:
    kind = COMPLETIONS[exchange.request.path]
    return _envelope(kind if kind == "text_completion" else "chat.completion.chunk", request)


def _envelope(kind: str, request: dict[str, Any]) -> dict[str, Any]:
    return {"id": "fake-1", "object": kind, "created": 1, "model": request.get("model") or "default"}


def _token(number: int) -> str:
    return f"token{number} "


def _usage(knobs: Knobs) -> dict[str, int]:
    return {"prompt_tokens": 3, "completion_tokens": knobs.tokens, "total_tokens": 3 + knobs.tokens}


def _data(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _error(status: int) -> bytes:
    """As vLLM writes it: the type is a class's name, the code a number."""
    error = {"message": f"fake failure {status}", "type": "BadRequestError", "param": None, "code": status}
    return json.dumps({"error": error}).encode()


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", default="fake")
    for knob in fields(Knobs):
        if isinstance(knob.default, int | float) and not isinstance(knob.default, bool):
            parser.add_argument(f"--{knob.name.replace('_', '-')}", type=type(knob.default), default=knob.default)
    options = vars(parser.parse_args())
    where = {name: options.pop(name) for name in ("host", "port", "name")}
    async with FakeEngine(Knobs(**options), **where) as engine:
        print(f"listening at {engine.url}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
