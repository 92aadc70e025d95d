"""A place to run engines that is none: a `Runtime` in memory, on devices whose memory moves with its engines.

No time passes in it. What its engines answer over HTTP, `FakeRuntime.transport` answers, in the words of the mock
engine (`manager.engines.mock.ENGINE`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from manager.specification import EngineError, EngineSpec, Exit, Found, Inside
from tests.fakes.box import Box

EVERY = "*"


@dataclass
class FakeEngine:
    """One engine. Its fields may be changed while it runs; `level` is how deep it sleeps."""

    spec: EngineSpec
    port: int
    exit: Exit | None = None
    healthy: bool = True
    answers_metrics: bool = True
    answers_probe: bool = True
    requests: int = 0
    tokens: int = 0
    level: int = 0
    log: list[str] = field(default_factory=lambda: ["serving"])


class FakeRuntime:
    """`calls` are what was asked of it, in order; `collisions` are containers on which two acted at once.

    `appetite` says how many bytes an engine takes on each of its devices: what it is granted, unless told otherwise.
    """

    inside = Inside("/models", "/hub", "/cache")
    complaint: str | None = None

    def __init__(self, box: Box | None = None, appetite: Callable[[EngineSpec], int] | None = None) -> None:
        self.box = box or Box()
        self.appetite = appetite or (lambda spec: spec.placement.memory)
        self.engines: dict[str, FakeEngine] = {}
        self.calls: list[tuple[str, str]] = []
        self.collisions: list[str] = []
        self.transport = httpx.MockTransport(self._answer)
        self._refusals: dict[tuple[str, str], EngineError] = {}
        self._gates: dict[tuple[str, str], asyncio.Event] = {}
        self._busy: set[str] = set()
        self._kept: dict[str, list[str]] = {}
        self._ports = iter(range(20000, 60000))

    def refuse(self, verb: str, container: str = EVERY, code: str = "engine_start_failed", why: str = "no") -> None:
        """From now on, a verb (`start`, `stop`, `exit_of`, ...) raises EngineError."""
        self._refusals[verb, container] = EngineError(code, why)

    def allow(self, verb: str, container: str = EVERY) -> None:
        """What was refused is not refused any more."""
        self._refusals.pop((verb, container), None)

    def hold(self, verb: str, container: str = EVERY) -> asyncio.Event:
        """Calls wait until the event is set. One that is cancelled meanwhile has done nothing."""
        return self._gates.setdefault((verb, container), asyncio.Event())

    def die(self, container: str, code: int = 1, *words: str, out_of_memory: bool = False) -> None:
        """The engine ends by itself; its container stays, as one that exited."""
        engine = self.engines[container]
        engine.exit = Exit(code, out_of_memory)
        engine.log += words
        self.box.give_back(container)

    def vanish(self, container: str) -> None:
        """Somebody removes the container behind the manager's back."""
        self._kept[container] = self.engines.pop(container).log
        self.box.give_back(container)

    async def open(self) -> None:
        await self._called("open")

    async def close(self) -> None:
        await self._called("close")

    async def found(self) -> tuple[Found, ...]:
        await self._called("found")
        return tuple(
            Found(engine.spec.model, container, engine.spec.hash, engine.exit is None)
            for container, engine in self.engines.items()
        )

    async def start(self, spec: EngineSpec) -> None:
        with self._alone(spec.container):
            await self._called("start", spec.container)
            self.engines[spec.container] = FakeEngine(spec, next(self._ports))
            self.box.take(spec.container, spec.placement.devices, self.appetite(spec))

    async def stop(self, container: str, grace: float) -> None:
        with self._alone(container):
            await self._called("stop", container)
            if container in self.engines:
                self.vanish(container)

    async def kill(self, container: str) -> None:
        await self._called("kill", container)
        if container in self.engines:
            self.die(container, 137)

    async def sweep(self, wanted: frozenset[str]) -> tuple[str, ...]:
        """At once: no minute passes here."""
        await self._called("sweep")
        unwanted = tuple(container for container in self.engines if container not in wanted)
        for container in unwanted:
            await self.stop(container, 0)
        return unwanted

    async def exit_of(self, container: str) -> Exit | None:
        await self._called("exit_of", container)
        return self.engines[container].exit if container in self.engines else Exit(None)

    async def endpoint(self, spec: EngineSpec, peer: str | None) -> str:
        await self._called("endpoint", spec.container)
        if spec.container not in self.engines:
            raise EngineError("engine_died", "the engine is gone")
        return f"http://127.0.0.1:{self.engines[spec.container].port}"

    async def tail(self, container: str, lines: int) -> tuple[str, ...]:
        await self._called("tail", container)
        log = self.engines[container].log if container in self.engines else self._kept.get(container, [])
        return tuple(log[-lines:])

    async def logs(self, container: str, lines: int, follow: bool) -> AsyncIterator[bytes]:
        for line in await self.tail(container, lines):
            yield line.encode() + b"\n"

    async def _called(self, verb: str, container: str = EVERY) -> None:
        self.calls.append((verb, container))
        for key in ((verb, container), (verb, EVERY)):
            if key in self._gates:
                await self._gates[key].wait()
            if key in self._refusals:
                raise self._refusals[key]

    @contextmanager
    def _alone(self, container: str) -> Iterator[None]:
        if container in self._busy:
            self.collisions.append(container)
        self._busy.add(container)
        try:
            yield
        finally:
            self._busy.discard(container)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        running = [
            engine for engine in self.engines.values() if engine.exit is None and engine.port == request.url.port
        ]
        if not running or not running[0].healthy:
            raise httpx.ConnectError("refused", request=request)
        return await self._answer_of(running[0], request)

    async def _answer_of(self, engine: FakeEngine, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        await self._called(path, engine.spec.container)
        if path == "/metrics":
            return _metrics(engine) if engine.answers_metrics else httpx.Response(503)
        if path == "/probe":
            return httpx.Response(200 if engine.answers_probe and not engine.level else 503)
        if path == "/sleep":
            self._lie_down(engine, int(request.url.params["level"]))
        elif path == "/wake_up" and engine.level:
            engine.level = 0
            self.box.take(engine.spec.container, engine.spec.placement.devices, self.appetite(engine.spec))
        return httpx.Response(200, json={"is_sleeping": engine.level > 0})

    def _lie_down(self, engine: FakeEngine, level: int) -> None:
        """At level 1 the weights go to host memory, at level 2 they are gone."""
        engine.level = level
        if level == 1:
            self.box.take(engine.spec.container, ("cpu",), self.appetite(engine.spec))
        else:
            self.box.give_back(engine.spec.container)


def _metrics(engine: FakeEngine) -> httpx.Response:
    text = f"roundhouse_requests_running {engine.requests}\nroundhouse_requests_waiting 0\n"
    return httpx.Response(200, text=f"{text}roundhouse_tokens_total {engine.tokens}\n")
