"""What the manager and Prometheus speak to: health, metrics, probe, sleep and waking."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from images.diffusers.server import bodies, metrics, rehearsal
from images.diffusers.server.errors import invalid, refused
from images.diffusers.server.services import Services

LEVELS = {"1": 1, "2": 2}


def routes(services: Services) -> list[Route]:
    control = Control(services)
    return [
        Route("/health", control.health),
        Route("/metrics", control.metrics),
        Route("/v1/models", control.models),
        Route("/probe", control.probe, methods=["POST"]),
        Route("/sleep", control.sleep, methods=["POST"]),
        Route("/wake_up", control.wake, methods=["POST"]),
        Route("/is_sleeping", control.is_sleeping),
    ]


class Control:
    """None of these waits for a picture, save `probe`, `sleep` and `wake`, which take their turn."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._worker = services.worker

    async def health(self, request: Request) -> Response:
        """200 once pictures can be asked for, asleep or not; before, 503 with the phase of the start."""
        if self._worker.ready:
            return JSONResponse({"status": "ok"})
        phase = self._worker.failure or self._services.phases.now
        raise refused("engine_loading", f"The engine is not ready: {phase}.", status=503)

    async def metrics(self, request: Request) -> Response:
        return Response(self._services.metrics.text(), headers={"content-type": metrics.CONTENT_TYPE})

    async def models(self, request: Request) -> Response:
        names = self._worker.model.names
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})

    async def probe(self, request: Request) -> Response:
        """One small picture, or clip, of one step."""
        await bodies.read(request.scope, request.receive, 2**16)
        job = self._worker.submit([replace(rehearsal.task(self._worker.model), steps=1)])
        try:
            async for _ in job:
                pass
        finally:
            job.cancel()
        return JSONResponse({"status": "ok"})

    async def sleep(self, request: Request) -> Response:
        level = LEVELS.get(request.query_params.get("level", "1"))
        if level is None:
            raise invalid("level", "level is 1, weights in host memory, or 2, weights dropped.")
        return JSONResponse({"level": level, "seconds": await self._worker.sleep(level)})

    async def wake(self, request: Request) -> Response:
        return JSONResponse({"seconds": await self._worker.wake()})

    async def is_sleeping(self, request: Request) -> Response:
        return JSONResponse({"is_sleeping": self._worker.asleep})
