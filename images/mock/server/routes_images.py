"""Pictures from words, edits and variations."""

import json
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from contract.images import EditRequest, GenerationRequest, PictureRequest, StreamingRequest, VariationRequest
from images.mock.server import forms
from images.mock.server.drawing import Drawing, Prefix
from images.mock.server.engine import Engine
from images.mock.server.errors import refused
from images.mock.server.models import require_served
from images.mock.server.pictures import canvas
from images.mock.server.reply import Endpoint, Reply, knobs_of


def generation_routes(engine: Engine) -> list[Route]:
    return [Route("/v1/images/generations", Endpoint(_Images(engine).generate), methods=["POST"])]


def edit_routes(engine: Engine) -> list[Route]:
    images = _Images(engine)
    return [
        Route("/v1/images/edits", Endpoint(images.edit), methods=["POST"]),
        Route("/v1/images/variations", Endpoint(images.vary), methods=["POST"]),
    ]


class _Images:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def generate(self, request: Request, body: bytes, reply: Reply) -> None:
        document = {name: value for name, value in _object(body).items() if value is not None}
        told = document.pop("mock", None)
        await self._answer(GenerationRequest.model_validate(document), told, (), "image_generation", reply)

    async def edit(self, request: Request, body: bytes, reply: Reply) -> None:
        await self._from_form(request, body, EditRequest, reply)

    async def vary(self, request: Request, body: bytes, reply: Reply) -> None:
        await self._from_form(request, body, VariationRequest, reply)

    async def _from_form(
        self, request: Request, body: bytes, kind: type[EditRequest] | type[VariationRequest], reply: Reply
    ) -> None:
        form = forms.read(request.headers.get("content-type", ""), body)
        mock = form.fields.pop("mock", None)
        told = None if mock is None else _object(mock.encode())
        asked = kind.model_validate_strings(form.fields)
        await self._answer(asked, told, tuple(form.pictures), "image_edit", reply)

    async def _answer(
        self,
        asked: GenerationRequest | EditRequest | VariationRequest,
        told: dict[str, Any] | None,
        given: tuple[bytes, ...],
        prefix: Prefix,
        reply: Reply,
    ) -> None:
        settings = self._engine.settings
        require_served(asked.model, settings)
        knobs = knobs_of(told, settings.knobs, allowed=settings.knobs_in_requests)
        picture = canvas(asked.prompt, given, asked.size, asked.output_format)
        drawing = Drawing(self._engine, asked, knobs, picture, prefix)
        if _streams(asked):
            await _stream(drawing, reply)
        else:
            await reply.whole((await drawing.whole()).model_dump_json(exclude_none=True).encode())


def _streams(asked: PictureRequest) -> bool:
    return isinstance(asked, StreamingRequest) and asked.stream


async def _stream(drawing: Drawing, reply: Reply) -> None:
    begun = False
    async with aclosing(drawing.events()) as events:
        async for event in events:
            if not begun:
                await reply.begin_events()
                begun = True
            await reply.event(event.model_dump_json(exclude_none=True), getattr(event, "type", None))
    await reply.end()


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise refused("invalid_json", "The body is no JSON.") from error
    if not isinstance(document, dict):
        raise refused("invalid_json", "The body is no JSON object.")
    return document
