"""`GET /metrics`: what models went through since the manager began, who waits, and whose memory it is."""

from collections.abc import Iterator

from contract.prometheus import Exposition, Labels
from contract.states import DeviceStatus, ModelStatus
from manager.supervision.model import Model
from manager.supervision.supervisor import Supervisor
from manager.supervision.tallies import Tallies

Samples = Iterator[tuple[Labels, float]]


def render(supervisor: Supervisor, tallies: Tallies) -> bytes:
    """The text, in Prometheus' form."""
    out, statuses = Exposition(), supervisor.statuses()
    _write_passages(out, tallies)
    _write_waiting(out, tuple(supervisor.models.values()), supervisor.clock())
    out.gauge(
        "roundhouse_model_memory_bytes",
        "Memory of a model's engine: what it is booked with, takes, took at most, and keeps in host memory.",
        _model_memory(statuses),
    )
    out.gauge(
        "roundhouse_device_memory_bytes",
        "Memory of a device: in all, what engines may have, are booked with and take, what others take, what is free.",
        _device_memory(supervisor.devices(), statuses),
    )
    return out.encode()


def _write_passages(out: Exposition, tallies: Tallies) -> None:
    out.histogram(
        "roundhouse_model_transition_seconds",
        "How long fetches, loads, sleeps, wakes, drains and stops took, by how they ended.",
        (
            ({"model": model, "transition": kind, "outcome": outcome}, taken)
            for (model, kind, outcome), taken in tallies.seconds.items()
        ),
    )
    out.counter(
        "roundhouse_model_departures_total",
        "How often a model was put to sleep or stopped, by the reason: those that make room are evictions.",
        (
            ({"model": model, "to": kind, "reason": reason}, count)
            for (model, kind, reason), count in tallies.departures.items()
        ),
    )
    out.counter(
        "roundhouse_engine_deaths_total",
        "Engines that ended unasked after they had served, by the failure's code.",
        (({"model": model, "code": code}, count) for (model, code), count in tallies.deaths.items()),
    )
    out.counter(
        "roundhouse_engine_restarts_total",
        "Loads that followed a failure.",
        (({"model": model}, count) for model, count in tallies.restarts.items()),
    )


def _write_waiting(out: Exposition, models: tuple[Model, ...], now: float) -> None:
    out.gauge("roundhouse_leases", "Leases of a model: workers that use it, and that wait for it.", _leases(models))
    out.gauge(
        "roundhouse_model_waited_seconds",
        "For how long a model has been waited for.",
        (({"model": each.name}, now - since) for each in models if (since := each.awaited_since) is not None),
    )
    out.gauge(
        "roundhouse_model_failures",
        "Failures of a model one after the other.",
        (({"model": each.name}, each.failures) for each in models),
    )


def _leases(models: tuple[Model, ...]) -> Samples:
    for model in models:
        holding = len(model.holders)
        yield {"model": model.name, "state": "holding"}, holding
        yield {"model": model.name, "state": "waiting"}, len(model.leases) - holding


def _model_memory(statuses: tuple[ModelStatus, ...]) -> Samples:
    for status in statuses:
        kinds = {"used": status.used, "peak": status.peak, "host": status.host_memory}
        booked = {"booked": status.memory} if status.devices else {}  # else it is what it would need
        for kind, amount in {**booked, **kinds}.items():
            yield {"model": status.name, "kind": kind}, amount


def _device_memory(devices: tuple[DeviceStatus, ...], statuses: tuple[ModelStatus, ...]) -> Samples:
    for device in devices:
        engines = sum(status.used for status in statuses if device.id in status.devices)
        kinds = {
            "total": device.total,
            "budget": device.budget,
            "booked": device.booked,
            "engines": engines,
            "others": device.others,
            "free": device.free,
        }
        for kind, amount in kinds.items():
            yield {"device": device.id, "name": device.name, "kind": kind}, amount
