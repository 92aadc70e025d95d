"""A fake manager that a test scripts: the catalogue, each lease's events, and its own death and return."""

import asyncio
import json
from types import TracebackType
from typing import Any, Self

from contract.catalogue import Catalogue, ModelEntry
from contract.keep import KeepWish
from contract.lease import LeaseEvent, Ready, encode_event
from contract.states import DeviceList, DeviceStatus, ModelList, ModelState, ModelStatus
from tests.fakes.http import Exchange, HttpServer

TOKEN = "fake-manager-token"


class FakeLease:
    """One lease that a proxy opened: send events, see it closed."""

    def __init__(self, model: str, exchange: Exchange) -> None:
        self.model = model
        self.peer = exchange.request.headers.get("x-roundhouse-peer")
        self.trace = exchange.request.headers.get("traceparent")
        self.closed = exchange.gone
        self._exchange = exchange
        self._ended = asyncio.Event()

    async def send(self, event: LeaseEvent) -> None:
        await self._exchange.chunk(encode_event(event))

    def end(self) -> None:
        """The manager closes the stream."""
        self._ended.set()

    async def serve(self) -> None:
        """Until either side closes."""
        waits = [asyncio.create_task(event.wait()) for event in (self.closed, self._ended)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self._ended.is_set():
            await self._exchange.chunk(b"")


class FakeManager:
    """`endpoints` names the models that are ready at once; leases of the others wait for the test."""

    def __init__(self, models: dict[str, dict[str, Any]]) -> None:
        self.entries = models
        self.endpoints: dict[str, str] = {}
        self.leases: list[FakeLease] = []
        self.verbs: list[tuple[str, str]] = []
        self.kept: list[tuple[str, float | None]] = []
        self.devices: tuple[DeviceStatus, ...] = ()
        self.metrics: tuple[int, bytes] = (200, b"# nothing yet\n")
        self.silent = False  # about what is asked of it, but for leases and events
        self.refuse_keep: tuple[int, bytes] | None = None
        self.refuse_lease: tuple[int, bytes] | tuple[int, bytes, str] | None = None
        self.server = HttpServer(self._handle)
        self._opened = asyncio.Condition()
        self._followers: set[Exchange] = set()

    @property
    def url(self) -> str:
        return self.server.url

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.stop()

    async def lease(self, number: int = 0) -> FakeLease:
        """The lease of that number, waited for."""
        async with self._opened:
            await self._opened.wait_for(lambda: len(self.leases) > number)
        return self.leases[number]

    async def tell(self, status: ModelStatus) -> None:
        """A `model` event to every follower."""
        await self.say(_sse("model", status.model_dump_json()))

    async def say(self, message: bytes) -> None:
        """Any bytes to every follower."""
        for follower in self._followers:
            await follower.chunk(message)

    async def change_catalogue(self, models: dict[str, dict[str, Any]]) -> None:
        self.entries = models
        for follower in self._followers:
            await self._introduce(follower)

    def status(self, name: str, **changes: Any) -> ModelStatus:  # noqa: ANN401
        """A model's status as the fake tells it."""
        entry = self._catalogue().models[name]
        values: dict[str, Any] = {"name": name, "type": entry.type, "aliases": entry.aliases, "created": 1700000000}
        values |= {"engine": "vllm", "container": name, "state": ModelState.STOPPED, "default_for": entry.default_for}
        return ModelStatus(**(values | changes))

    def _catalogue(self) -> Catalogue:
        return Catalogue(models={name: ModelEntry.model_validate(raw) for name, raw in self.entries.items()})

    async def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            await exchange.answer(401, b'{"error":{"message":"no token"}}')
        elif request.path == "/events":
            await self._follow(exchange)
        elif request.path.endswith("/lease"):
            await self._lease(exchange, request.path.split("/")[2])
        elif request.path.endswith("/keep"):
            await self._keep(exchange, request.path.split("/")[2])
        else:
            await self._verb(exchange)

    async def _follow(self, exchange: Exchange) -> None:
        await exchange.start(200, "text/event-stream")
        await self._introduce(exchange)
        self._followers.add(exchange)
        try:
            await exchange.gone.wait()
        finally:
            self._followers.discard(exchange)

    async def _introduce(self, exchange: Exchange) -> None:
        entries = {name: entry.model_dump(mode="json") for name, entry in self._catalogue().models.items()}
        await exchange.chunk(_sse("catalogue", json.dumps(entries)))
        await exchange.chunk(_sse("models", self._list().model_dump_json()))
        await exchange.chunk(b": still here\n\n")

    def _list(self) -> ModelList:
        return ModelList(models=tuple(map(self.status, self.entries)))

    async def _lease(self, exchange: Exchange, model: str) -> None:
        if self.refuse_lease is not None:
            await exchange.answer(*self.refuse_lease)
            return
        await exchange.start(200, "application/x-ndjson")
        lease = FakeLease(model, exchange)
        async with self._opened:
            self.leases.append(lease)
            self._opened.notify_all()
        if model in self.endpoints:
            await lease.send(Ready(endpoint=self.endpoints[model]))
        await lease.serve()

    async def _keep(self, exchange: Exchange, model: str) -> None:
        if self.refuse_keep is not None:
            await exchange.answer(*self.refuse_keep)
            return
        self.kept.append((model, KeepWish.model_validate_json(exchange.request.body).seconds))
        await exchange.answer(202, self.status(model).model_dump_json().encode())

    async def _verb(self, exchange: Exchange) -> None:
        request = exchange.request
        self.verbs.append((request.method, request.target))
        if self.silent:
            await exchange.gone.wait()
            return
        if request.path.endswith("/logs"):
            await exchange.answer(200, b"line one\nline two\n", "text/plain")
        elif request.path == "/models":
            await exchange.answer(200, self._list().model_dump_json().encode())
        elif request.path == "/devices":
            await exchange.answer(200, DeviceList(devices=self.devices).model_dump_json().encode())
        elif request.path == "/metrics":
            await exchange.answer(*self.metrics, "text/plain; version=0.0.4; charset=utf-8")
        else:
            status = self.status(request.path.split("/")[2])
            await exchange.answer(202 if request.method == "POST" else 200, status.model_dump_json().encode())


def _sse(kind: str, data: str) -> bytes:
    return f"event: {kind}\ndata: {data}\n\n".encode()
