"""POST /v1/images/generations, /v1/images/edits, /v1/images/variations."""

import asyncio
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from contract.images import EditRequest, GenerationRequest, PictureRequest, StreamingRequest, VariationRequest
from images.diffusers.server import answers, planning
from images.diffusers.server.answers import Scribe
from images.diffusers.server.events import Prefix, Reporter
from images.diffusers.server.intake import FORM, JSON, Asked, Intake
from images.diffusers.server.jobs import Job
from images.diffusers.server.leaving import attended
from images.diffusers.server.services import Services
from images.diffusers.server.streams import send_events
from images.diffusers.server.tasks import Work

R = TypeVar("R", bound=PictureRequest)
PICTURES = frozenset({"image", "image[]"})


def routes(services: Services, extra: frozenset[str]) -> list[Route]:
    made = Pictures(services, Intake(GenerationRequest, (JSON,), extra), Work.GENERATE, "image_generation")
    edits = Intake(EditRequest, (FORM,), extra, PICTURES, mask=True)
    edited = Pictures(services, edits, Work.EDIT, "image_edit")
    varied = Pictures(services, Intake(VariationRequest, (FORM,), extra, PICTURES), Work.VARIATION, "image_generation")
    return [
        Route("/v1/images/generations", made, methods=["POST"]),
        Route("/v1/images/edits", edited, methods=["POST"]),
        Route("/v1/images/variations", varied, methods=["POST"]),
    ]


class Pictures(Generic[R]):
    """One endpoint. A caller who leaves calls the job off, also where the answer is not a stream."""

    def __init__(self, services: Services, intake: Intake[R], work: Work, prefix: Prefix) -> None:
        self._services = services
        self._intake = intake
        self._work = work
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ApiError, and ClientLeft while the body is read; the application renders them."""
        offer = self._services.offer()
        asked = await self._intake.read(scope, receive)
        plan = await asyncio.to_thread(planning.pictures, asked.request, asked.extras, asked.uploads, self._work, offer)
        streaming = isinstance(asked.request, StreamingRequest) and asked.request.stream
        job = self._services.worker.submit(plan.tasks, _previews(asked.request) if streaming else 0)
        scribe = Scribe(plan, offer.model.names[0], offer.model.revision)
        answer = self._stream if streaming else self._plain
        try:
            await attended(receive, answer(asked, scribe, job, scope, send))
        finally:
            job.cancel()

    async def _plain(self, asked: Asked[R], scribe: Scribe, job: Job, scope: Scope, send: Send) -> None:
        answer = await answers.plain(asked.request, scribe, self._services.metrics.watched(job))
        body = answer.model_dump_json(exclude_none=True)
        await Response(body, media_type=JSON)(scope, Request(scope).receive, send)

    async def _stream(self, asked: Asked[R], scribe: Scribe, job: Job, scope: Scope, send: Send) -> None:
        events = self._services.metrics.watched(job)
        progress = isinstance(asked.request, StreamingRequest) and asked.request.progress
        await send_events(send, Reporter(asked.request, scribe, self._prefix, progress).tell(events))


def _previews(request: PictureRequest) -> int:
    return request.partial_images if isinstance(request, StreamingRequest) else 0
