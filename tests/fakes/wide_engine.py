"""A fake engine that serves every endpoint of text and of vectors, and keeps what it was asked.

Answers have vLLM's shapes. A response's id is the request's `request_id` if it has one; one in the background is queued
until a test calls `finish`. `failing`: all answers fail.
"""

import json
from types import TracebackType
from typing import Any, Self

from tests.fakes.http import Exchange, HttpServer, Request

PLAIN: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"id": "c", "object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 3}},
    "/v1/embeddings": {
        "object": "list",
        "data": [{"index": 0, "embedding": [0.5, 0.25]}],
        "usage": {"prompt_tokens": 1},
    },
    "/v1/rerank": {"id": "r", "results": [{"index": 0, "relevance_score": 0.5}]},
    "/v1/score": {"object": "list", "data": [{"index": 0, "score": 0.5}]},
    "/v1/messages": {"id": "m", "type": "message", "content": [{"type": "text", "text": "Hello"}]},
    "/v1/messages/count_tokens": {"input_tokens": 3},
    "/tokenize": {"count": 2, "tokens": [1, 2]},
    "/detokenize": {"prompt": "Hello"},
    "/v1/audio/transcriptions": {"text": "Hello"},
}
RESPONSES = "/v1/responses"


class WideEngine:
    """`async with WideEngine() as engine`: it listens at `engine.url`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.failing = False
        self.background: dict[str, dict[str, Any]] = {}
        self._server = HttpServer(self._handle)

    def finish(self, response_id: str, status: str = "completed", **fields: Any) -> None:  # noqa: ANN401
        """A response in the background is over."""
        self.background[response_id] |= {"status": status, **fields}

    @property
    def url(self) -> str:
        return self._server.url

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop()

    async def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        self.requests.append(request)
        if self.failing:
            await exchange.answer(500, b'{"type":"error","error":{"type":"internal_error","message":"it broke"}}')
        elif request.path.startswith(RESPONSES + "/"):
            await self._recall(exchange)
        elif request.path == RESPONSES:
            await self._respond(exchange, json.loads(request.body))
        elif request.path == "/v1/messages" and json.loads(request.body).get("stream"):
            await _events(exchange, {"type": "message_start"}, dies=True)
        elif request.path in PLAIN:
            await exchange.answer(200, json.dumps(PLAIN[request.path]).encode())
        else:
            await exchange.answer(404, b'{"detail":"Not Found"}')

    async def _recall(self, exchange: Exchange) -> None:
        response_id, _, verb = exchange.request.path.removeprefix(RESPONSES + "/").partition("/")
        known = self.background.get(response_id)
        if verb and known is not None:
            self.finish(response_id, "cancelled")
        response = known or {"id": response_id, "object": "response", "status": "cancelled" if verb else "completed"}
        if "stream=true" in exchange.request.target:
            await _events(exchange, {"type": "response.created", "response": response})
        else:
            await exchange.answer(200, json.dumps(response).encode())

    async def _respond(self, exchange: Exchange, request: dict[str, Any]) -> None:
        response: dict[str, Any] = {"id": request.get("request_id", "resp_1"), "object": "response"}
        response |= {"status": "completed", "background": request.get("background", False), "usage": None}
        if response["background"]:
            self.background[response["id"]] = response = response | {"status": "queued"}
        if not request.get("stream"):
            await exchange.answer(200, json.dumps(response).encode())
            return
        created = {"type": "response.created", "response": response}
        done = {"type": "response.completed", "response": response}
        await _events(exchange, created, *([] if response["background"] else [done]))


async def _events(exchange: Exchange, *events: dict[str, Any], dies: bool = False) -> None:
    await exchange.start(200, "text/event-stream; charset=utf-8")
    for event in events:
        await exchange.chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    if dies:
        await exchange.die()
    else:
        await exchange.chunk(b"")
