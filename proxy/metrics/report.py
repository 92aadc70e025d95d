"""`GET /metrics`: what was counted, and what stands at this moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from contract.prometheus import NO_LABELS, Exposition, Labels
from proxy.gateway.leases import Leases
from proxy.gateway.upstream import Pool
from proxy.metrics.meter import Meter
from proxy.metrics.model_watch import ModelWatch
from proxy.metrics.requests import write_requests
from proxy.traffic import Traffic


@dataclass(frozen=True)
class Report:
    """Reads its parts when it is asked for; they know nothing of it."""

    meter: Meter
    models: ModelWatch
    leases: Leases
    pool: Pool
    traffic: Traffic
    parts: Sequence[Callable[[Exposition], None]] = ()  # what other rooms tell of themselves

    def render(self, manager: bytes | None) -> bytes:
        """The text, the manager's own at its end. `manager` None: it did not answer."""
        out = Exposition()
        write_requests(out, self.meter)
        self._write_traffic(out)
        self._write_models(out)
        for write in self.parts:
            write(out)
        answered = [(NO_LABELS, 0.0 if manager is None else 1.0)]
        out.gauge("roundhouse_manager_up", "1 if the manager answered just now.", answered)
        _write_process(out)
        return out.encode() + (manager or b"")

    def _write_traffic(self, out: Exposition) -> None:
        traffic, pool = self.traffic, self.pool
        out.gauge("roundhouse_requests_in_flight", "Requests being served.", [(NO_LABELS, traffic.in_flight)])
        out.gauge("roundhouse_draining", "1 once the proxy stops.", [(NO_LABELS, traffic.draining)])
        connections: list[tuple[Labels, float]] = [({"state": "busy"}, pool.busy), ({"state": "idle"}, pool.idle)]
        out.gauge("roundhouse_upstream_connections", "Connections to engines and to the manager.", connections)
        loads = [lease.load for lease in self.leases]
        out.gauge(
            "roundhouse_model_requests_in_flight",
            "Requests of a model that are with its engine.",
            (({"model": load.model}, load.in_flight) for load in loads),
        )
        out.gauge(
            "roundhouse_model_requests_waiting",
            "Requests that wait for their model.",
            (({"model": load.model}, load.waiting) for load in loads),
        )
        out.gauge(
            "roundhouse_lease_state",
            "1 for the stage of each lease that is open.",
            (({"model": load.model, "state": load.stage}, 1) for load in loads),
        )

    def _write_models(self, out: Exposition) -> None:
        models = self.models
        out.gauge(
            "roundhouse_model_state",
            "1 for the state of each model, as the manager last told it.",
            (({"model": model, "state": state}, 1) for model, state in models.states.items()),
        )
        out.counter(
            "roundhouse_model_state_changes_total",
            "How often a model went into a state since the proxy started.",
            (({"model": model, "state": state}, count) for (model, state), count in models.changes.items()),
        )
        out.counter(
            "roundhouse_model_loads_total",
            "How often a model became ready since the proxy started.",
            (({"model": model}, models.loads[model]) for model in models.states),
        )


def _write_process(out: Exposition) -> None:
    """Under the names that every Prometheus client gives them."""
    process = psutil.Process()
    with process.oneshot():
        times, memory = process.cpu_times(), process.memory_info()
        began, files = process.create_time(), process.num_fds()
    out.counter("process_cpu_seconds_total", "Processor time.", [(NO_LABELS, times.user + times.system)])
    out.gauge("process_resident_memory_bytes", "Resident memory.", [(NO_LABELS, memory.rss)])
    out.gauge("process_start_time_seconds", "When the process began, since the epoch.", [(NO_LABELS, began)])
    out.gauge("process_open_fds", "Open files and sockets.", [(NO_LABELS, files)])
