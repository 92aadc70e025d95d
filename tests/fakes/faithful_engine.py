"""A fake engine that keeps the contract: every endpoint of text, vectors and sound, plain and streamed, and no faults.

`async with FaithfulEngine() as engine`: it listens at `engine.url`. Bodies are JSON objects, or forms.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Self

from tests.fakes.http import Exchange, HttpServer

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
ANSWERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "/v1/chat/completions": {"id": "c", "object": "chat.completion", "choices": [], "usage": USAGE},
        "/v1/completions": {"id": "t", "object": "text_completion", "choices": [], "usage": USAGE},
        "/v1/embeddings": {"object": "list", "data": [], "usage": {"prompt_tokens": 1, "total_tokens": 1}},
        "/v1/rerank": {"id": "r", "results": []},
        "/v1/score": {"object": "list", "data": []},
        "/v1/messages": {"id": "m", "type": "message", "content": []},
        "/v1/messages/count_tokens": {"input_tokens": 3},
        "/v1/responses": {"id": "resp_1", "object": "response", "status": "completed"},
        "/tokenize": {"count": 2, "tokens": [1, 2]},
        "/detokenize": {"prompt": "Hello"},
        "/v1/audio/transcriptions": {"text": "Hello"},
        "/v1/audio/translations": {"text": "Hello"},
    }
)
STREAMED = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"})
_STREAM_IN_FORM = re.compile(rb'name="stream"(?:\r\n[^\r\n]+)*\r\n\r\n(?:true|1)\r\n', re.IGNORECASE)
REMEMBERED = "/v1/responses/"


class FaithfulEngine:
    """`asked` counts the requests."""

    def __init__(self) -> None:
        self.asked = 0
        self._server = HttpServer(self._handle)

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
        self.asked += 1
        request = exchange.request
        if request.path.startswith(REMEMBERED):
            await self._answer(exchange, "/v1/responses", "stream=true" in request.target)
        elif request.path not in ANSWERS:
            await exchange.answer(404, _error("There is no such path."))
        elif not request.headers["content-type"].startswith("application/json"):
            await self._answer(exchange, request.path, _STREAM_IN_FORM.search(request.body) is not None)
        else:
            await self._judge(exchange, request.body)

    async def _judge(self, exchange: Exchange, body: bytes) -> None:
        path, document = exchange.request.path, json.loads(body)
        options = document.get("stream_options")
        if path in STREAMED and options is not None and not isinstance(options, dict):
            await exchange.answer(400, _error("stream_options must be an object."))
        else:
            await self._answer(exchange, path, path in STREAMED and document.get("stream") is True)

    async def _answer(self, exchange: Exchange, path: str, is_stream: bool) -> None:
        if not is_stream:
            await exchange.answer(200, json.dumps(ANSWERS[path]).encode())
            return
        await exchange.start(200, "text/event-stream; charset=utf-8")
        await exchange.chunk(b"data: " + json.dumps(ANSWERS[path]).encode() + b"\n\n")
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.chunk(b"")


def _error(message: str) -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": 400}
    return json.dumps({"error": error}).encode()
