"""The composition root: settings -> the application."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from starlette.applications import Starlette
from starlette.routing import Route

from images.mock.server import routes_control, routes_images, routes_text
from images.mock.server.death import die
from images.mock.server.engine import Engine
from images.mock.server.errors import HANDLERS
from images.mock.server.memory import Resident
from images.mock.server.settings import Settings

ROUTES_OF: Mapping[str, Callable[[Engine], list[Route]]] = MappingProxyType(
    {
        "text": routes_text.routes,
        "image": routes_images.generation_routes,
        "edit": routes_images.edit_routes,
    }
)


def build(settings: Settings, resident: Resident) -> Starlette:
    """The application of a loaded engine: the endpoints of its types, and the manager's."""
    engine = Engine(settings, resident)
    served = [route for kind in sorted(settings.types) for route in ROUTES_OF[kind](engine)]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        seconds = settings.die_after_seconds
        if seconds is not None:
            why = f"the mock engine was told to die after {seconds:g} s"
            asyncio.get_running_loop().call_later(seconds, die, why)
        yield

    return Starlette(
        routes=[*routes_control.routes(engine), *served], exception_handlers=dict(HANDLERS), lifespan=lifespan
    )
