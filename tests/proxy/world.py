"""A proxy on a real socket between a fake manager, fake engines and the real OpenAI SDK."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from proxy.app import Proxy
from proxy.server import ProxyServer, build_server
from proxy.settings import Settings
from tests.fakes.engine import FakeEngine
from tests.fakes.manager import TOKEN, FakeManager

PATIENCE = 10.0
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]

MODELS: dict[str, dict[str, Any]] = {
    "small": {"type": "text", "aliases": ["little", "org/small:1"], "default_for": ["text"]},
    "large": {"type": "text"},
    "painter": {"type": ["image", "edit"], "aliases": ["brush"], "default_for": ["image", "edit"]},
}


@dataclass
class World:
    """What a test has at hand. `small` is ready at the engine; `large` waits for the test."""

    manager: FakeManager
    engine: FakeEngine
    server: ProxyServer
    proxy: Proxy
    client: AsyncOpenAI
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def stream(self, model: str = "small", **fake: Any) -> AsyncStream[ChatCompletionChunk]:  # noqa: ANN401
        """A streamed chat, with knobs for the engine."""
        return await self.client.chat.completions.create(
            model=model, messages=HELLO, stream=True, extra_body={"fake": fake}
        )

    async def chat(self, model: str = "small", **fake: Any) -> str:  # noqa: ANN401
        """A plain chat's text."""
        answer = await self.client.chat.completions.create(model=model, messages=HELLO, extra_body={"fake": fake})
        return answer.choices[0].message.content or ""

    async def request(self, data: bytes, *, half_close: bool = False) -> "Raw":
        """Bytes to the proxy, on a connection of their own -> the answer's parts, read to the connection's end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(PATIENCE):
                return Raw.parse(await reader.read())
        finally:
            writer.close()

    async def get(self, path: str, *headers: str, method: str = "GET") -> "Raw":
        """A request without a body."""
        lines = [f"{method} {path} HTTP/1.1", "connection: close", *headers]
        if not any(line.lower().startswith("host:") for line in headers):
            lines.insert(1, f"host: 127.0.0.1:{self.port}")
        return await self.request("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def post(self, path: str, body: bytes, *headers: str) -> "Raw":
        """A request with a body, as JSON unless a header says otherwise."""
        lines = [f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{self.port}", "connection: close", *headers]
        if not any(line.lower().startswith("content-type:") for line in headers):
            lines.append("content-type: application/json")
        head = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode()
        return await self.request(head + body)


@dataclass(frozen=True)
class Raw:
    """An answer as it came. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Raw":
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        return cls(int(first.split(" ")[1]), {name.lower(): value for name, _, value in pairs}, body)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[ProxyServer, int]]:
    """A server on a free port, stopped at the end."""
    server = build_server(settings)
    task = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.stop()
        async with asyncio.timeout(PATIENCE):
            await task


@asynccontextmanager
async def world(folder: Path, **settings: Any) -> AsyncIterator[World]:  # noqa: ANN401
    """The whole path, ready to be asked."""
    token = folder / "token"
    token.write_text(TOKEN)
    async with FakeEngine() as engine, FakeManager(MODELS) as manager:
        manager.endpoints["small"] = engine.url
        values: dict[str, Any] = {"proxy_port": 0, "manager_url": manager.url, "token_file": token, "drain": 2.0}
        values["key_store"], values["artifacts_dir"] = folder / "keys.sqlite3", folder / "artifacts"
        async with running(Settings(**(values | settings))) as (server, port):
            url = f"http://127.0.0.1:{port}/v1"
            async with AsyncOpenAI(base_url=url, api_key="unused-by-default", max_retries=0) as client:
                proxy = cast(Proxy, server.config.app)
                await until(lambda: proxy.feed.directory is not None)
                yield World(manager, engine, server, proxy, client, port)


async def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def text_of(stream: AsyncStream[ChatCompletionChunk]) -> str:
    """All the text of a streamed chat."""
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
