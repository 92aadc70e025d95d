"""The composition root: settings -> a manager, its pieces put together by hand."""

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import httpx
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from contract.catalogue_file import parse_catalogue
from contract.errors import ApiError
from manager.access import TokenRequired, read_or_make_token
from manager.assembly import Box, adoptable, fit, fix_models
from manager.box.devices import DeviceSeen, see_devices
from manager.box.sight import Sight
from manager.broadcast import Broadcast
from manager.control import Control
from manager.engines import ENGINES
from manager.engines.kind import EngineKind
from manager.errors import api_error, http_exception, unexpected, validation_error
from manager.events import Event
from manager.news import News
from manager.routes import router
from manager.runtimes.docker import DockerRuntime
from manager.runtimes.process import ProcessRuntime
from manager.runtimes.runtime import Runtime
from manager.scheduling.ledger import Ledger, Limits
from manager.scheduling.lessons import LessonBook
from manager.scheduling.scheduler import Scheduler
from manager.scheduling.stall import Rules
from manager.settings import ManagerSettings, engine_environment, fetch_environment
from manager.specification import DeviceKind, EngineError
from manager.supervision.catalogue_watch import CatalogueWatch, read_bounded
from manager.supervision.effects import Effects
from manager.supervision.passages import Passages
from manager.supervision.supervisor import Policy, Supervisor
from manager.supervision.tallies import Tallies
from manager.supervision.transitions import Transitions
from manager.tracing import Tracing, make_tracing
from manager.weights.hub import Hub
from manager.weights.store import WeightsStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manager:
    """A manager that is ready to be served; its parts belong together. `watch` follows `models.json`."""

    app: FastAPI
    control: Control
    effects: Effects
    watch: CatalogueWatch
    tracing: Tracing = field(default_factory=Tracing)

    async def adopt(self) -> None:
        """Takes over matching engines of an earlier manager, and ends all others of this instance."""
        supervisor = self.control.supervisor
        devices = supervisor.transitions.ledger.devices
        for found in await self.control.runtime.found():
            model = supervisor.models.get(found.model)
            match = await asyncio.to_thread(adoptable, found, model.fixed, self.effects, devices) if model else None
            if match is not None:
                log.info("adopting %s", found.container)
                supervisor.adopt(found.model, *match)
            else:
                await self._end(found.container)

    async def _end(self, container: str) -> None:
        log.info("ending %s: it is not wanted as it is", container)
        try:
            await self.control.runtime.stop(container, self.effects.stop_grace)
        except EngineError as error:  # the next start under its name removes it, or the sweep
            log.warning("%s is not ended: %s", container, error)


def make_runtime(settings: ManagerSettings) -> Runtime:
    """The place where engines run, by its name in the settings."""
    settings.hub_cache.mkdir(parents=True, exist_ok=True)  # engines are given it, empty or not
    if settings.runtime == "docker":
        host_name = socket.gethostname()
        return DockerRuntime(settings.instance, settings.models_dir, settings.hub_cache, settings.logs_dir, host_name)
    return ProcessRuntime(
        settings.run_dir, settings.engines_dir, settings.models_dir, settings.hub_cache, engine_environment()
    )


def make_manager(settings: ManagerSettings, runtime: Runtime, engines: Mapping[str, EngineKind] = ENGINES) -> Manager:
    """Raises CatalogueError for a bad `models.json`. Wants a running event loop."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    effects = make_effects(settings, runtime, events)
    box = Box(settings, engines, see_devices(), effects.weights)
    catalogue = parse_catalogue(read_bounded(settings.catalogue))
    fixed = fix_models(catalogue, box)
    tallies, tracing = Tallies(), make_tracing(settings.traces_to, settings.otlp_service)
    news = News(catalogue, Broadcast(), Passages(tallies, *tracing.listeners()))
    supervisor = make_supervisor(settings, effects, box, news, events)
    supervisor.take(fixed)
    control = Control(supervisor, runtime, news.changes, events.put_nowait, tallies)
    watch = CatalogueWatch(
        settings.catalogue,
        lambda changed: fix_models(changed, replace(box, devices=supervisor.transitions.ledger.devices)),
        events.put_nowait,
        settings.catalogue_poll,
    )
    return Manager(make_app(control, read_or_make_token(settings.token_file)), control, effects, watch, tracing)


def make_effects(settings: ManagerSettings, runtime: Runtime, events: asyncio.Queue[Event]) -> Effects:
    """The edge of the control plane."""
    return Effects(
        runtime=runtime,
        client=httpx.AsyncClient(timeout=settings.probe_timeout, trust_env=False),
        weights=WeightsStore(settings.models_dir, settings.hub_cache, runtime.inside, settings.manifests_dir),
        hub=Hub(settings.hub_cache, settings.manifests_dir, fetch_environment(settings), offline=settings.hub_offline),
        book=LessonBook(settings.run_dir / "lessons.json"),
        sight=Sight(events.put_nowait, time.monotonic),
        stop_grace=settings.stop_grace,
        post=events.put_nowait,
        traces_to=settings.engine_traces_to,
    )


def make_supervisor(
    settings: ManagerSettings, effects: Effects, box: Box, news: News, events: asyncio.Queue[Event]
) -> Supervisor:
    """The owner of all engine state, with what it has seen of the box so far."""
    ledger = Ledger(Limits(settings.memory_reserve, settings.gpu_memory_reserve, settings.memory_budget))
    ledger.see(time.monotonic(), box.devices, ())
    supervisor = Supervisor(
        Transitions(effects, ledger),
        Scheduler(Rules(settings.fair_share, settings.memory_patience, sleep_memory(settings, box.devices))),
        Policy(settings.settle, settings.shutdown_drain, settings.leases_per_model),
        news,
        refit=lambda devices: {
            name: fit(model.fixed, devices, settings.memory_reserve) for name, model in supervisor.models.items()
        },
        clock=time.monotonic,
        events=events,
    )
    return supervisor


def sleep_memory(settings: ManagerSettings, devices: tuple[DeviceSeen, ...]) -> int:
    """Bytes of host memory that models asleep may keep: a quarter of it, where the settings do not say."""
    if settings.sleep_memory is not None:
        return settings.sleep_memory
    return sum(device.total for device in devices if device.kind is DeviceKind.CPU) // 4


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
