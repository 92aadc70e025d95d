"""Chat and text completions, whole and streamed."""

import json
import secrets
import time
from collections.abc import Mapping
from contextlib import aclosing

from starlette.requests import Request
from starlette.routing import Route

from images.mock.server.engine import Engine, Unit
from images.mock.server.models import require_served
from images.mock.server.reply import Endpoint, Reply, knobs_of
from images.mock.server.settings import Knobs
from images.mock.server.text import CHAT, COMPLETION, ChatRequest, CompletionRequest, Draft, Shape, draft

# Half an event, a byte that is no UTF-8, and no end.
GARBAGE = b'data: {"choices": [{"delta": {"content": "\xff'


def routes(engine: Engine) -> list[Route]:
    return [
        Route("/v1/chat/completions", Endpoint(_Text(engine, CHAT, ChatRequest)), methods=["POST"]),
        Route("/v1/completions", Endpoint(_Text(engine, COMPLETION, CompletionRequest)), methods=["POST"]),
    ]


class _Text:
    """One of the two endpoints."""

    def __init__(self, engine: Engine, shape: Shape, kind: type[ChatRequest] | type[CompletionRequest]) -> None:
        self._engine = engine
        self._shape = shape
        self._kind = kind

    async def __call__(self, request: Request, body: bytes, reply: Reply) -> None:
        settings = self._engine.settings
        asked = self._kind.model_validate_json(body)
        require_served(asked.model, settings)
        knobs = knobs_of(asked.mock, settings.knobs, allowed=settings.knobs_in_requests)
        answer = _Answer(self._engine, self._shape, knobs, asked, draft(asked.said(), knobs.tokens, asked.most))
        await (answer.stream(reply) if asked.stream else answer.whole(reply))


class _Answer:
    """One answer on its way."""

    def __init__(
        self, engine: Engine, shape: Shape, knobs: Knobs, asked: ChatRequest | CompletionRequest, told: Draft
    ) -> None:
        self._engine = engine
        self._shape = shape
        self._knobs = knobs
        self._asked = asked
        self._told = told
        self._frame = {
            "id": f"mock-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": asked.model or engine.settings.served_model_name[0],
        }

    async def whole(self, reply: Reply) -> None:
        async with aclosing(self._engine.work(self._knobs, Unit.TOKEN, len(self._told.tokens))) as work:
            async for _ in work:
                pass
        if self._knobs.garbage:
            await reply.whole(b"<html>Bad Gateway</html>", "text/html")
            return
        choice = self._choice(self._shape.choice("".join(self._told.tokens)), self._told.finish)
        await reply.document({**self._frame, "object": self._shape.whole, **choice, "usage": self._usage()})

    async def stream(self, reply: Reply) -> None:
        """The head goes out with the first token, so that an engine asleep still answers with a status."""
        begun = False
        async with aclosing(self._engine.work(self._knobs, Unit.TOKEN, len(self._told.tokens))) as work:
            async for number in work:
                if not begun:
                    await self._begin(reply)
                    begun = True
                if self._knobs.garbage:
                    await reply.raw(GARBAGE)
                    break
                await self._chunk(reply, self._choice(self._shape.piece(self._told.tokens[number]), None))
        if not begun:
            await self._begin(reply)
        if not self._knobs.garbage:
            await self._finish(reply)
        await reply.end()

    async def _begin(self, reply: Reply) -> None:
        await reply.begin_events()
        if self._shape.first is not None:
            await self._chunk(reply, self._choice(self._shape.first, None))

    async def _finish(self, reply: Reply) -> None:
        await self._chunk(reply, self._choice(self._shape.last, self._told.finish))
        if self._asked.wants_usage:
            await self._chunk(reply, {"choices": [], "usage": self._usage()})
        await reply.event("[DONE]")

    async def _chunk(self, reply: Reply, fields: Mapping[str, object]) -> None:
        await reply.event(json.dumps({**self._frame, "object": self._shape.chunk, **fields}))

    def _choice(self, content: Mapping[str, object], finish: str | None) -> dict[str, object]:
        return {"choices": [{"index": 0, **content, "logprobs": None, "finish_reason": finish}]}

    def _usage(self) -> dict[str, int]:
        return self._told.usage(self._asked.read(), len(self._told.tokens))
