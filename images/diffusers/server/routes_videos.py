"""POST /v1/videos/generations: server-sent steps, and at the end the clip."""

import asyncio

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from contract.images import VideoRequest
from images.diffusers.server import planning
from images.diffusers.server.answers import Scribe
from images.diffusers.server.events import filmed
from images.diffusers.server.intake import FORM, JSON, Intake
from images.diffusers.server.leaving import attended
from images.diffusers.server.services import Services
from images.diffusers.server.streams import send_events

PICTURES = frozenset({"image", "image[]", "input_reference"})


def routes(services: Services, extra: frozenset[str]) -> list[Route]:
    return [Route("/v1/videos/generations", Clips(services, extra), methods=["POST"])]


class Clips:
    """The endpoint. A caller who leaves calls the job off."""

    def __init__(self, services: Services, extra: frozenset[str]) -> None:
        self._services = services
        self._intake = Intake(VideoRequest, (JSON, FORM), extra, PICTURES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ApiError, and ClientLeft while the body is read; the application renders them."""
        offer = self._services.offer()
        asked = await self._intake.read(scope, receive)
        plan = await asyncio.to_thread(planning.clip, asked.request, asked.extras, asked.uploads, offer)
        job = self._services.worker.submit(plan.tasks)
        scribe = Scribe(plan, offer.model.names[0], offer.model.revision)
        events = filmed(asked.request, scribe, self._services.metrics.watched(job))
        try:
            await attended(receive, send_events(send, events))
        finally:
            job.cancel()
