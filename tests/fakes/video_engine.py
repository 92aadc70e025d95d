"""A fake engine of clips: `video.progress` for each step and `video.completed`, and what an engine can do wrong.

async with FakeVideoEngine(VideoKnobs(...)) as engine: it listens at `engine.url`, and `engine.asked` tells of what.
"""

import asyncio
import base64
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.fakes.http import Exchange, HttpServer

CLIP = b"\x00\x00\x00\x18ftypisom" + b"frames of a clip " * 20
JPEG = b"\xff\xd8\xff\xe0 a small picture"


@dataclass
class VideoKnobs:
    """What the engine does. It may be changed between requests.

    needs_picture, follows_prompt: what its model is like
    wait_at: it waits before it tells this step, until `go` is set
    die_at: it cuts the connection before it tells this step, this many times
    tail: what it sends in place of the clip
    """

    steps: int = 4
    needs_picture: bool = False
    follows_prompt: bool = True
    wait_at: int | None = None
    die_at: int | None = None
    deaths: int = 1
    status: int = 200
    tail: str | None = None
    clip: bytes = CLIP
    variants: bool = True


class FakeVideoEngine:
    """`left` counts the callers who left before the end; `told` is the last step that was told."""

    def __init__(self, knobs: VideoKnobs | None = None) -> None:
        self.knobs = knobs or VideoKnobs()
        self.asked: list[dict[str, Any]] = []
        self.go = asyncio.Event()
        self.waits = asyncio.Event()
        self.left = asyncio.Event()
        self.told = 0
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
        assert exchange.request.path == "/v1/videos/generations"
        asked = json.loads(exchange.request.body)
        self.asked.append(asked)
        refusal = self._refusal(asked)
        if refusal is not None:
            await exchange.answer(refusal[0], json.dumps({"error": refusal[1]}).encode())
            return
        telling = asyncio.create_task(self._film(exchange, asked))
        gone = asyncio.create_task(exchange.gone.wait())
        await asyncio.wait((telling, gone), return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            self.left.set()
        gone.cancel()
        telling.cancel()
        await asyncio.gather(telling, gone, return_exceptions=True)

    def _refusal(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        knobs = self.knobs
        if knobs.status != 200:
            return knobs.status, {"message": "fake failure", "type": "server_error", "code": "bad"}
        if asked.get("prompt") and not knobs.follows_prompt:
            return 400, _fault("unsupported_parameter", "prompt")
        if knobs.needs_picture and "image" not in asked:
            return 400, _fault("missing_required_parameter", "image")
        return None

    async def _film(self, exchange: Exchange, asked: dict[str, Any]) -> None:
        knobs = self.knobs
        await exchange.start(200, "text/event-stream")
        for step in range(1, knobs.steps + 1):
            if knobs.die_at == step and knobs.deaths:
                knobs.deaths -= 1
                await exchange.die()
                return
            if knobs.wait_at == step:
                self.waits.set()
                await self.go.wait()
            self.told = step
            await _event(exchange, {"type": "video.progress", "step": step, "steps": knobs.steps})
        if knobs.tail is not None:
            await exchange.chunk(knobs.tail.encode())
        else:
            await _event(exchange, self._completed(asked))
        await exchange.chunk(b"")

    def _completed(self, asked: dict[str, Any]) -> dict[str, Any]:
        picture = base64.b64encode(JPEG).decode()
        made = {"seed": asked.get("seed", 7), "steps": self.knobs.steps, "guidance": 3.0, "scheduler": "euler"}
        made |= {"type": "video.completed", "created_at": 1, "revision": "abc", "flagged": False}
        made |= {"b64_json": base64.b64encode(self.knobs.clip).decode(), "width": 64, "height": 48}
        made |= {"fps": 8, "frames": 16, "seconds": 2.0}
        return made | ({"thumbnail_b64": picture, "spritesheet_b64": picture} if self.knobs.variants else {})


def _fault(code: str, param: str) -> dict[str, Any]:
    return {"message": f"fake: {param}", "type": "invalid_request_error", "code": code, "param": param}


async def _event(exchange: Exchange, event: dict[str, Any]) -> None:
    await exchange.chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
