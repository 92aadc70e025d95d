"""What Prometheus is told. The counters are the worker's; here they are only read."""

import time
from collections.abc import AsyncIterator, Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from images.diffusers.server.jobs import Job, Made, Preview, Step
from images.diffusers.server.worker import Worker

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280)
STEP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class _Work(Collector):
    """The worker's state at the moment of asking."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def describe(self) -> Iterator[Metric]:
        """Nothing: without it the registry would ask the worker before it runs."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        worker, totals = self._worker, self._worker.counters
        yield GaugeMetricFamily("roundhouse_requests_running", "Requests being denoised", worker.running)
        yield GaugeMetricFamily("roundhouse_requests_waiting", "Requests in the queue", worker.waiting)
        yield GaugeMetricFamily("roundhouse_asleep", "1 while the weights are off the device", int(worker.asleep))
        yield CounterMetricFamily("roundhouse_steps", "Denoising steps, one a picture", totals.steps_total)
        yield CounterMetricFamily("roundhouse_pictures", "Pictures and clips made", totals.pictures_total)
        yield CounterMetricFamily(
            "roundhouse_embeddings_hit", "Prompts whose embeddings were at hand", totals.embeddings_hit_total
        )
        yield CounterMetricFamily(
            "roundhouse_embeddings_missed", "Prompts that a text encoder read", totals.embeddings_missed_total
        )


class Metrics:
    """One process's metrics, in a registry of their own."""

    def __init__(self, worker: Worker) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Work(worker))
        self._requests = Histogram(
            "roundhouse_request_seconds",
            "From the first byte of a request to the last of its answer",
            ("path", "status"),
            registry=self._registry,
            buckets=REQUEST_BUCKETS,
        )
        self._queued = Histogram(
            "roundhouse_first_step_seconds",
            "From being queued to the first step done",
            registry=self._registry,
            buckets=REQUEST_BUCKETS,
        )
        self._steps = Histogram(
            "roundhouse_step_seconds", "Between two steps of a picture", registry=self._registry, buckets=STEP_BUCKETS
        )

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def answered(self, path: str, status: int, seconds: float) -> None:
        self._requests.labels(path, str(status)).observe(seconds)

    async def watched(self, job: Job) -> AsyncIterator[Step | Preview | Made]:
        """The job's events as they come; the times of its first picture's steps are kept."""
        last = time.monotonic()
        async for event in job:
            if isinstance(event, Step) and event.index == 0:
                now = time.monotonic()
                (self._queued if event.step == 1 else self._steps).observe(now - last)
                last = now
            yield event
