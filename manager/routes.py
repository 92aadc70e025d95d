"""The manager's HTTP verbs, each a few lines: a question is answered from a snapshot, a wish becomes an event."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from contract.errors import ApiError, Origin
from contract.keep import KeepWish
from contract.lease import HEARTBEAT_SECONDS, Failed, Heartbeat, encode_event
from contract.prometheus import CONTENT_TYPE
from contract.states import DeviceList, ModelList, ModelStatus
from manager.control import Control
from manager.errors import not_found
from manager.events import KeepWanted, LeaseClosed, LeaseOpened, LoadWanted, UnloadWanted
from manager.metrics_report import render
from manager.streaming import EndlessResponse
from manager.supervision.leases import Lease

router = APIRouter()


def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


def _status(control: Control, name: str) -> ModelStatus:
    found = control.status(name)
    if found is None:
        raise not_found(name)
    return found


@router.get("/health")
async def health(request: Request) -> dict[str, str]:
    """Degraded: `models.json` as it stands is not in force, or where engines run nobody answers. Both say why."""
    control = _control(request)
    complaints = {"catalogue": control.supervisor.news.complaint, "engines": control.runtime.complaint}
    told = {about: complaint for about, complaint in complaints.items() if complaint}
    return {"status": "degraded" if told else "ok", **told}


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """For Prometheus, by way of the proxy, whose own `/metrics` it is part of."""
    control = _control(request)
    return Response(render(control.supervisor, control.tallies), media_type=CONTENT_TYPE.decode())


@router.get("/devices")
async def devices(request: Request) -> DeviceList:
    return DeviceList(devices=_control(request).supervisor.devices())


@router.get("/models")
async def models(request: Request) -> ModelList:
    return ModelList(models=_control(request).supervisor.statuses())


@router.get("/models/{name}")
async def model(request: Request, name: str) -> ModelStatus:
    return _status(_control(request), name)


@router.post("/models/{name}/load", status_code=202)
async def load(request: Request, name: str) -> ModelStatus:
    """The load belongs to the manager: whoever asked may leave."""
    control = _control(request)
    status = _status(control, name)
    if control.lacks(name):
        message = f"{name} cannot run here: {control.lacks(name)}"
        raise ApiError(409, "model_unavailable", message, param="model", origin=Origin.MANAGER)
    control.post(LoadWanted(name))
    return status


@router.post("/models/{name}/unload", status_code=202)
async def unload(request: Request, name: str) -> ModelStatus:
    control = _control(request)
    status = _status(control, name)
    control.post(UnloadWanted(name))
    return status


@router.post("/models/{name}/keep", status_code=202)
async def keep(request: Request, name: str, wish: KeepWish) -> ModelStatus:
    """What a request's `keep_alive` or `ttl` asks for."""
    control = _control(request)
    status = _status(control, name)
    control.post(KeepWanted(name, wish.lasting))
    return status


@router.get("/models/{name}/logs")
async def logs(
    request: Request, name: str, lines: Annotated[int, Query(ge=1, le=10_000)] = 200, follow: bool = False
) -> Response:
    control = _control(request)
    status = _status(control, name)
    return EndlessResponse(_log_of(control, status.container, lines, follow), "text/plain; charset=utf-8")


@router.get("/events")
async def events(request: Request) -> Response:
    """Server-sent: the catalogue, all models, then every change."""
    return EndlessResponse(_changes(_control(request)), "text/event-stream")


@router.post("/models/{name}/lease")
async def lease(
    request: Request,
    name: str,
    x_roundhouse_peer: Annotated[str | None, Header()] = None,
    traceparent: Annotated[str | None, Header()] = None,
) -> Response:
    control = _control(request)
    _status(control, name)
    return EndlessResponse(_lease_events(control, Lease(name, x_roundhouse_peer, traceparent)), "application/x-ndjson")


async def _log_of(control: Control, container: str, lines: int, follow: bool) -> AsyncGenerator[bytes, None]:
    async for chunk in control.runtime.logs(container, lines, follow):
        yield chunk


async def _changes(control: Control) -> AsyncGenerator[bytes, None]:
    with control.changes.listen() as listener:
        for opening in control.opening():
            yield opening
        while True:
            message = await control.changes.next_of(listener, HEARTBEAT_SECONDS)
            if message is None:
                return
            yield message


async def _lease_events(control: Control, lease: Lease) -> AsyncGenerator[bytes, None]:
    """For as long as this is read, the model is in use."""
    control.post(LeaseOpened(lease))
    try:
        while True:
            event = await lease.next_event(HEARTBEAT_SECONDS) or Heartbeat()
            yield encode_event(event)
            if isinstance(event, Failed):
                return
    finally:
        control.post(LeaseClosed(lease))
