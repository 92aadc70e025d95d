"""The composition root: settings -> a manager, its pieces put together by hand."""

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from contract.catalogue_file import parse_catalogue
from contract.errors import ApiError
from manager.access import TokenRequired, read_or_make_token
from manager.assembly import Box, adoptable, build_models
from manager.broadcast import Broadcast
from manager.control import Control, status_event
from manager.devices import see_devices
from manager.effects import Effects
from manager.engines import ENGINES
from manager.engines.kind import EngineKind
from manager.errors import api_error, http_exception, unexpected, validation_error
from manager.events import Event
from manager.hub import Hub
from manager.routes import router
from manager.runtimes.docker import DockerRuntime
from manager.runtimes.process import ProcessRuntime
from manager.runtimes.runtime import Runtime
from manager.settings import ManagerSettings, engine_environment, fetch_environment
from manager.supervisor import Policy, Supervisor
from manager.transitions import Transitions
from manager.weights import WeightsStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manager:
    """A manager that is ready to be served; `effects` and `control` belong together."""

    app: FastAPI
    control: Control
    effects: Effects

    async def adopt(self) -> None:
        """Takes over matching engines of an earlier manager, and ends all others of this instance."""
        for found in await self.control.runtime.found():
            model = self.control.supervisor.models.get(found.model)
            match = await asyncio.to_thread(adoptable, found, model, self.effects) if model else None
            if match is not None:
                log.info("adopting %s", found.container)
                self.control.supervisor.adopt(found.model, *match)
            else:
                log.info("ending %s: it is not wanted as it is", found.container)
                await self.control.runtime.stop(found.container, self.effects.stop_grace)


def make_runtime(settings: ManagerSettings) -> Runtime:
    """The place where engines run, by its name in the settings."""
    if settings.runtime == "docker":
        host_name = socket.gethostname()
        return DockerRuntime(settings.instance, settings.models_dir, settings.hub_dir, settings.logs_dir, host_name)
    return ProcessRuntime(
        settings.run_dir, settings.engines_dir, settings.models_dir, settings.hub_dir, engine_environment()
    )


def make_manager(settings: ManagerSettings, runtime: Runtime, engines: Mapping[str, EngineKind] = ENGINES) -> Manager:
    """Raises CatalogueError for a bad `models.json`. Wants a running event loop."""
    catalogue = parse_catalogue(settings.catalogue.read_bytes())
    weights = WeightsStore(settings.models_dir, settings.hub_dir, runtime.inside)
    devices = see_devices(settings.memory_reserve)
    events: asyncio.Queue[Event] = asyncio.Queue()
    changes = Broadcast()
    client = httpx.AsyncClient(timeout=settings.probe_timeout, trust_env=False)
    hub = Hub(settings.hub_dir, fetch_environment(settings), offline=settings.hub_offline)
    effects = Effects(runtime, client, weights, hub, devices, settings.stop_grace, events.put_nowait)
    policy = Policy(
        totals={device.id: device.total for device in devices},
        fair_share=settings.fair_share,
        settle=settings.settle,
        shutdown_drain=settings.shutdown_drain,
    )
    supervisor = Supervisor(
        build_models(catalogue, Box(settings, engines, devices, weights)),
        Transitions(effects),
        policy,
        publish=lambda status: changes.send(status_event(status)),
        clock=time.monotonic,
        events=events,
    )
    control = Control(supervisor, runtime, changes, catalogue, events.put_nowait)
    return Manager(make_app(control, read_or_make_token(settings.token_file)), control, effects)


def make_app(control: Control, token: str) -> FastAPI:
    """The HTTP surface of a manager."""
    app = FastAPI(
        title="Roundhouse manager",
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(TokenRequired, token=token)],
        exception_handlers={
            ApiError: api_error,
            HTTPException: http_exception,
            RequestValidationError: validation_error,
            Exception: unexpected,
        },
    )
    app.state.control = control
    app.include_router(router)
    return app
