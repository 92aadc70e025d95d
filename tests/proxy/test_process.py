"""`python -m proxy` as a process: what it refuses, how it stops, what it weighs."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.fakes.engine import FakeEngine
from tests.fakes.manager import TOKEN, FakeManager
from tests.proxy.world import MODELS, PATIENCE, Raw

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    answer = Raw.parse(await reader.read())
    writer.close()
    return answer.status


async def begin(port: int, fake: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream whose first token has come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"model":"small","stream":true,"fake":%b}' % fake
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(b"token0")
    return reader, writer


async def test_it_refuses_to_be_reached_from_elsewhere_without_a_key_and_says_what_to_do() -> None:
    for settings in ({"proxy_host": "0.0.0.0"}, {"published_at": "0.0.0.0"}, {"published_at": "192.168.1.5"}):
        async with process(**settings) as refused:
            _, text = await refused.communicate()
        assert refused.returncode == 2
        assert b"ROUNDHOUSE_KEY_FILE" in text
        assert b"Traceback" not in text


async def test_a_setting_out_of_range_is_named() -> None:
    async with process(first_token="-1") as refused:
        _, text = await refused.communicate()
    assert refused.returncode == 2
    assert b"first_token" in text


async def test_sigterm_fails_readiness_first_lets_streams_finish_and_exits_with_0(tmp_path: Path) -> None:
    async with serving(tmp_path) as (started, port, _):
        reader, writer = await begin(port, b'{"tokens":4,"delay":0.3}')
        started.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            while await status_of(port, "/ready") != 503:
                await asyncio.sleep(0.01)
            assert await status_of(port, "/v1/models") == 503
            assert await status_of(port, "/health") == 200
            rest = await reader.readuntil(b"data: [DONE]")
            assert b"token3" in rest
            assert await started.wait() == 0
        writer.close()


async def test_a_drain_ends_at_its_bound(tmp_path: Path) -> None:
    async with serving(tmp_path, drain="0.2") as (started, port, engine):
        reader, writer = await begin(port, b'{"hang_after":1}')
        started.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            rest = await reader.read()
            assert b'"code": "draining"' in rest
            assert b"[DONE]" not in rest
            assert await started.wait() == 0
            await engine.seen.aborted.wait()
        writer.close()


async def test_a_second_sigterm_ends_it_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as (started, port, _):
        _, writer = await begin(port, b'{"hang_after":1}')
        started.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            while await status_of(port, "/ready") != 503:
                await asyncio.sleep(0.01)
            started.send_signal(signal.SIGTERM)
            assert await started.wait() == 0
        writer.close()


async def test_idle_it_weighs_less_than_75_mib(tmp_path: Path) -> None:
    async with serving(tmp_path) as (started, _, _):
        resident = psutil.Process(started.pid).memory_info().rss
        assert resident < 75 * 2**20
