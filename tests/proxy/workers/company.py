"""`python -m proxy` with two workers between fakes, and callers who choose the worker that they speak to."""

import asyncio
import json
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.fakes.engine import FakeEngine
from tests.fakes.manager import TOKEN, FakeManager
from tests.harness.ports import free_port
from tests.proxy.keyed import ADMIN, BODY, CHAT
from tests.proxy.process import process, status_of
from tests.proxy.world import MODELS, Raw

START = 90.0  # three Pythons on a busy machine
NO_MORE: Mapping[str, str] = {}
Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Company:
    """The proxy's parent, and what it stands between. `small` is ready at the engine."""

    process: Process
    port: int
    engine: FakeEngine
    manager: FakeManager
    folder: Path

    def workers(self) -> list[psutil.Process]:
        """Those that live, the one that lives longest first."""
        children = psutil.Process(self.process.pid).children()
        return sorted(children, key=lambda child: (child.create_time(), child.pid))

    async def both(self) -> list[psutil.Process]:
        """Two workers that listen."""
        async with asyncio.timeout(START):
            while not await self._listen(found := self.workers()):
                await asyncio.sleep(0.05)
        return found

    async def _listen(self, found: list[psutil.Process]) -> bool:
        try:
            for worker in found:
                (await self.link(worker))[1].close()
        except psutil.NoSuchProcess:  # it was ending when it was found
            return False
        return len(found) == 2

    async def link(self, worker: psutil.Process) -> Link:
        """A connection to that worker, on which nothing has been asked but its health."""
        async with asyncio.timeout(START):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionError:
                    await asyncio.sleep(0.05)
                    continue
                with ExitStack() as stack:
                    stack.callback(writer.close)
                    if await _leads_to(worker, reader, writer):
                        stack.pop_all()
                        return reader, writer

    async def ask(
        self, worker: psutil.Process, method: str, path: str, document: object = None, key: str = ADMIN
    ) -> Raw:
        """A request to that worker -> its whole answer."""
        body = b"" if document is None else json.dumps(document).encode()
        reader, writer = await self.link(worker)
        writer.write(request(method, path, body, key, "connection: close"))
        async with asyncio.timeout(START):
            answer = Raw.parse(await reader.read())
        writer.close()
        return answer

    async def chat(self, worker: psutil.Process, key: str = ADMIN) -> int:
        return (await self.ask(worker, "POST", CHAT, json.loads(BODY), key)).status

    async def make_key(self, worker: psutil.Process, **wish: Any) -> dict[str, Any]:  # noqa: ANN401
        answer = await self.ask(worker, "POST", "/admin/keys", {"name": "test", **wish})
        assert answer.status == 201, answer.body
        made: dict[str, Any] = json.loads(answer.body)
        return made

    async def stream(self, worker: psutil.Process, fake: str, key: str = ADMIN) -> Link:
        """A stream of that worker whose first token has come."""
        reader, writer = await self.link(worker)
        writer.write(request("POST", CHAT, f'{{"model":"small","stream":true,"fake":{fake}}}'.encode(), key))
        async with asyncio.timeout(START):
            await reader.readuntil(b"token0")
        return reader, writer

    async def scrape(self, worker: psutil.Process) -> bytes:
        return (await self.ask(worker, "GET", "/metrics")).body


async def _leads_to(worker: psutil.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether a new connection is that worker's, by its answer to a question for its health."""
    writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    try:
        await reader.readuntil(b'{"status":"ok"}')
    except (ConnectionError, asyncio.IncompleteReadError):
        await asyncio.sleep(0.05)
        return False
    ours = writer.get_extra_info("sockname")[1]
    return any(each.raddr and each.raddr.port == ours for each in worker.net_connections("tcp"))


def request(method: str, path: str, body: bytes, key: str, *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"authorization: Bearer {key}", *headers]
    lines += ["content-type: application/json", f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def company(
    folder: Path, endpoints: Mapping[str, str] = NO_MORE, models: Mapping[str, Any] = MODELS, **settings: str
) -> AsyncIterator[Company]:
    """Two workers behind a key file. Both listen. `endpoints`: of models that are ready, besides `small`."""
    (folder / "token").write_text(TOKEN)
    (folder / "key").write_text(ADMIN)
    port = free_port()
    async with FakeEngine() as engine, FakeManager({**MODELS, **models}) as manager:
        manager.endpoints |= {"small": engine.url, **endpoints}
        where = {"proxy_port": str(port), "manager_url": manager.url, "token_file": str(folder / "token")}
        where |= {"key_store": str(folder / "keys.sqlite3"), "key_file": str(folder / "key"), "proxy_workers": "2"}
        where |= {"artifacts_dir": str(folder / "artifacts")}
        async with process(**(where | settings)) as started:
            there = Company(started, port, engine, manager, folder)
            async with asyncio.timeout(START):
                while await status_of(port, "/ready") != 200:
                    assert started.returncode is None, await started.communicate()
                    await asyncio.sleep(0.05)
            await there.both()
            yield there
