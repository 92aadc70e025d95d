"""`python -m proxy` as a process: what it refuses, how it stops, what it weighs."""

import asyncio
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.proxy.process import ROOT, begin, process, serving, status_of
from tests.proxy.world import PATIENCE

pytestmark = pytest.mark.anyio


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


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_an_address_of_a_database_that_is_none_is_refused_and_what_was_written_not_told(workers: str) -> None:
    async with process(database_url="mysql://root:correct-horse@db/x", proxy_workers=workers) as refused:
        _, text = await refused.communicate()
    assert refused.returncode == 2
    assert b"ROUNDHOUSE_DATABASE_URL is no address of a PostgreSQL" in text
    assert b"correct-horse" not in text
    assert b"Traceback" not in text


@pytest.mark.parametrize("library", ["botocore", "opentelemetry.sdk", "psycopg"])
async def test_a_library_that_no_setting_asks_for_is_not_loaded(library: str) -> None:
    look = f"import sys, proxy.server; sys.exit({library!r} in sys.modules)"
    looking = await asyncio.create_subprocess_exec(sys.executable, "-c", look, cwd=ROOT)
    assert await looking.wait() == 0


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


async def test_idle_it_has_less_than_50_mib_of_its_own(tmp_path: Path) -> None:
    """Beside them some 20 MiB of libraries are resident, and a little more or less as the machine has cached them."""
    async with serving(tmp_path) as (started, _, _):
        memory = psutil.Process(started.pid).memory_info()
        assert memory.rss - memory.shared < 50 * 2**20
