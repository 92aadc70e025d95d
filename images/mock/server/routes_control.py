"""What the manager and Prometheus speak to. A caller who leaves calls none of it off."""

import asyncio
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from images.mock.server import metrics
from images.mock.server.engine import Engine, Unit
from images.mock.server.errors import refused
from images.mock.server.settings import Knobs

LEVELS = {"1": 1, "2": 2}


def routes(engine: Engine) -> list[Route]:
    control = Control(engine)
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
    """`health` is 200 for as long as the process lives, hung or asleep: ready is more than healthy."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._settings = engine.settings
        self._since = time.monotonic()

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        silent = self._settings.hang_metrics_after_seconds
        if silent is not None and time.monotonic() >= self._since + silent:
            await asyncio.Event().wait()
        return Response(metrics.text(self._engine), headers={"content-type": metrics.CONTENT_TYPE})

    async def models(self, request: Request) -> Response:
        names = self._settings.served_model_name
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})

    async def probe(self, request: Request) -> Response:
        """One token, or one step where the model makes no text; none of the knobs' faults but a hang is met."""
        unit = Unit.TOKEN if "text" in self._settings.types else Unit.STEP
        async for _ in self._engine.work(Knobs(tokens_per_second=0, step_seconds=0), unit, 1):
            pass
        return JSONResponse({"status": "ok"})

    async def sleep(self, request: Request) -> Response:
        level = LEVELS.get(request.query_params.get("level", "1"))
        if level is None:
            raise refused("invalid_value", "level is 1, memory kept, or 2, memory given back.", "level")
        if self._settings.fail_sleep:
            raise refused("engine_error", "The mock engine was told not to fall asleep.", status=500)
        await self._engine.sleep(level)
        return JSONResponse({"level": level})

    async def wake(self, request: Request) -> Response:
        if self._settings.fail_wake:
            raise refused("engine_error", "The mock engine was told not to wake.", status=500)
        await self._engine.wake()
        return JSONResponse({"level": 0})

    async def is_sleeping(self, request: Request) -> Response:
        return JSONResponse({"is_sleeping": self._engine.level > 0})
