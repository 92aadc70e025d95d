"""An engine's control side that a test scripts: health, probe, metrics, sleep; and the runtime that it "runs" in."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from manager.specification import EngineError, EngineSpec, Exit, Found, Inside
from tests.fakes.http import Exchange, HttpServer


@dataclass
class SleepyEngine:
    """`async with engine.server`. A path in `hangs` is never answered, one in `fails` with status 500 and "no memory".

    `calls` are the targets asked for, without health and metrics; `given_up` those that the client left unanswered.
    """

    hangs: set[str] = field(default_factory=set)
    fails: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    hanging: int = 0
    scraped: int = 0
    asleep: bool = False
    sleepless: bool = False
    running: int = 0
    tokens: int = 0
    tokens_a_scrape: int = 0
    server: HttpServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = HttpServer(self._handle)

    async def until_called(self, target: str) -> None:
        while target not in self.calls:
            self.called.clear()
            await self.called.wait()

    async def until_scraped(self, times: int) -> None:
        """So many times more."""
        until = self.scraped + times
        while self.scraped < until:
            self.called.clear()
            await self.called.wait()

    async def _handle(self, exchange: Exchange) -> None:
        target, path = exchange.request.target, exchange.request.path
        if path == "/metrics":
            self.scraped += 1
        elif path != "/health":
            self.calls.append(target)
            self.bodies.append(exchange.request.body)
        self.called.set()
        if path in self.hangs:
            self.hanging += 1
            await exchange.gone.wait()
            self.hanging -= 1
            self.given_up.append(path)
        elif path in self.fails:
            await exchange.answer(500, b"no memory")
        else:
            await self._answer(exchange, path)

    async def _answer(self, exchange: Exchange, path: str) -> None:
        match path:
            case "/sleep":
                self.asleep = not self.sleepless
            case "/reload":  # the last call of waking
                self.asleep = self.sleepless
            case "/metrics":
                self.tokens += self.tokens_a_scrape
                text = f"running {self.running}\nwaiting 0\ntokens {self.tokens}\n"
                await exchange.answer(200, text.encode(), "text/plain")
                return
        await exchange.answer(200, json.dumps({"is_sleeping": self.asleep}).encode())


@dataclass
class ScriptedRuntime:
    """Has one engine, which runs until `exit` says how it ended. `done` is what it was asked to do.

    A start that hangs takes a moment to be called off.
    """

    engine: SleepyEngine
    exit: Exit | None = None
    broken: bool = False
    start_hangs: bool = False
    done: list[str] = field(default_factory=list)
    exits_looked_for: int = 0

    @property
    def inside(self) -> Inside:
        return Inside("/models", "/hub", "/cache")

    @property
    def complaint(self) -> str | None:
        return None

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def found(self) -> tuple[Found, ...]:
        return ()

    async def start(self, spec: EngineSpec) -> None:
        self.done.append(f"start {spec.container}")
        if self.start_hangs:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.05)
                self.done.append("start called off")

    async def kill(self, container: str) -> None:
        self.done.append(f"kill {container}")

    async def stop(self, container: str, grace: float) -> None:
        """Notes which call was given up before; the news of that may take a moment."""
        for _ in range(100):
            if not self.engine.hanging:
                break
            await asyncio.sleep(0.01)
        left = f" after {self.engine.given_up[-1]} was given up" if self.engine.given_up else ""
        self.done.append(f"stop {container} within {grace:g} s{left}")

    async def exit_of(self, container: str) -> Exit | None:
        self.exits_looked_for += 1
        if self.broken:
            raise EngineError("runtime_unreachable", "Docker does not answer")
        return self.exit

    async def endpoint(self, spec: EngineSpec, peer: str | None) -> str:
        return self.engine.server.url

    async def tail(self, container: str, lines: int) -> tuple[str, ...]:
        return ("its last words",)

    async def sweep(self, wanted: frozenset[str]) -> tuple[str, ...]:
        return ()

    async def logs(self, container: str, lines: int, follow: bool) -> AsyncIterator[bytes]:
        yield b""
