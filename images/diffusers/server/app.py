"""The composition root: settings -> the application, and the worker that it owns."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.types import ASGIApp

from images.diffusers.server import routes_control, routes_images, routes_videos
from images.diffusers.server.errors import HANDLERS
from images.diffusers.server.loading import StartError
from images.diffusers.server.logbook import Logbook
from images.diffusers.server.metrics import Metrics
from images.diffusers.server.phases import Phases
from images.diffusers.server.services import Services, known_extras
from images.diffusers.server.settings import Settings
from images.diffusers.server.worker import Worker


def build(settings: Settings, worker: Worker, phases: Phases, give_up: Callable[[], None]) -> ASGIApp:
    """The application. Its start begins the load; `give_up` is called where the model cannot be served."""
    services = Services(worker, settings, Metrics(worker), phases)
    extra = known_extras()
    routes = [
        *routes_control.routes(services),
        *routes_images.routes(services, extra),
        *routes_videos.routes(services, extra),
    ]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker.start()
        watching = asyncio.create_task(_watch(worker, give_up))
        try:
            yield
        finally:
            watching.cancel()
            await worker.close()

    app = FastAPI(
        routes=list(routes),
        lifespan=lifespan,
        exception_handlers=dict(HANDLERS),
        openapi_url=None,
        redirect_slashes=False,
    )
    return Logbook(app, services.metrics, frozenset(route.path for route in routes))


async def _watch(worker: Worker, give_up: Callable[[], None]) -> None:
    with suppress(StartError):
        await worker.started()
        return
    give_up()
