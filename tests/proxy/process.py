"""`python -m proxy` as a process between fakes, and a caller that speaks HTTP by hand."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from tests.fakes.engine import FakeEngine
from tests.fakes.manager import TOKEN, FakeManager
from tests.harness.ports import free_port
from tests.proxy.world import MODELS, PATIENCE, Raw

ROOT = Path(__file__).resolve().parent.parent.parent


@asynccontextmanager
async def process(**settings: str) -> AsyncIterator[Process]:
    environment = {**os.environ, **{f"ROUNDHOUSE_{name.upper()}": value for name, value in settings.items()}}
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


@asynccontextmanager
async def serving(folder: Path, **settings: str) -> AsyncIterator[tuple[Process, int, FakeEngine]]:
    (folder / "token").write_text(TOKEN)
    port = free_port()
    async with FakeEngine() as engine, FakeManager(MODELS) as manager:
        manager.endpoints["small"] = engine.url
        where = {"proxy_port": str(port), "manager_url": manager.url, "token_file": str(folder / "token")}
        where |= {"key_store": str(folder / "keys.sqlite3"), "artifacts_dir": str(folder / "artifacts")}
        async with process(**where, **settings) as started:
            async with asyncio.timeout(PATIENCE):
                while await status_of(port, "/ready") != 200:
                    await asyncio.sleep(0.02)
            yield started, port, engine


async def status_of(port: int, path: str) -> int:
    """0 where nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return 0
    with closing(writer):
        writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        return Raw.parse(await reader.read()).status


async def begin(port: int, fake: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream whose first token has come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"model":"small","stream":true,"fake":%b}' % fake
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(b"token0")
    return reader, writer
