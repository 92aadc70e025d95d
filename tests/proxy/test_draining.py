"""How it stops, seen by everybody who holds a connection to it, and how it dies."""

import asyncio
import signal
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from contract.lease import Queued, Ready
from tests.fakes.manager import FakeManager
from tests.harness.ports import free_port
from tests.proxy.process import begin, process, serving, status_of
from tests.proxy.world import MODELS, PATIENCE, until, world

pytestmark = pytest.mark.anyio
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
SMALL = b'{"model":"small"}'


async def stopped(started: Process, port: int) -> None:
    """The proxy has heard the signal."""
    started.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        while await status_of(port, "/ready") != 503:
            await asyncio.sleep(0.01)


async def test_before_the_catalogue_is_known_it_is_alive_and_not_ready(tmp_path: Path) -> None:
    port = free_port()
    where = {"proxy_port": str(port), "manager_url": f"http://127.0.0.1:{free_port()}", "manager_wait": "0.1"}
    files = {"token_file": str(tmp_path / "token"), "key_store": str(tmp_path / "keys.sqlite3")}
    files["artifacts_dir"] = str(tmp_path / "artifacts")
    async with process(**where, **files) as started:
        async with asyncio.timeout(PATIENCE):
            while await status_of(port, "/health") != 200:
                await asyncio.sleep(0.02)
        assert await status_of(port, "/ready") == 503
        assert await status_of(port, "/metrics") == 200
        started.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            assert await started.wait() == 0


async def test_health_and_readiness_say_no_more_than_that(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert (await w.get("/health")).body == b'{"status":"ok"}'
        assert (await w.get("/ready")).body == b'{"status":"ready"}'
        assert (await w.get("/ready", method="HEAD")).body == b""
        await w.manager.server.stop()
        assert (await w.get("/ready")).status == 200, "what it knows goes on serving"


async def test_a_connection_that_is_kept_open_is_told_to_close_with_its_next_request(tmp_path: Path) -> None:
    async with serving(tmp_path) as (started, port, _):
        held, held_writer = await begin(port, b'{"tokens":4,"delay":0.3}')
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ask = CHAT + b"content-length: %d\r\n\r\n" % len(SMALL) + SMALL
        writer.write(ask)
        async with asyncio.timeout(PATIENCE):
            assert b" 200 OK" in await reader.readuntil(b"\r\n\r\n")
        await stopped(started, port)
        writer.write(ask)
        async with asyncio.timeout(PATIENCE):
            refused = await reader.read()  # to the connection's end
            assert b"HTTP/1.1 503" in refused
            assert b'"code": "draining"' in refused
            assert b"connection: close" in refused
            assert b"retry-after: 5" in refused
            assert b"token3" in await held.readuntil(b"[DONE]")
            held_writer.close()
            assert await started.wait() == 0
        writer.close()


async def test_a_request_whose_body_is_still_coming_is_finished(tmp_path: Path) -> None:
    async with serving(tmp_path) as (started, port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHAT + b"content-length: %d\r\n\r\n" % len(SMALL) + SMALL[:5])
        await in_flight(port, 1)
        await stopped(started, port)
        writer.write(SMALL[5:])
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read()
            assert b" 200 OK" in answer
            assert b"token4" in answer
            assert await started.wait() == 0
        writer.close()


async def in_flight(port: int, count: int) -> None:
    """Until so many requests are being served, as the metrics tell it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            body = await reader.read()
            writer.close()
            if b"roundhouse_requests_in_flight %d\n" % count in body:
                return
            await asyncio.sleep(0.01)


async def test_a_request_that_waits_for_its_model_is_served_within_the_bound(tmp_path: Path) -> None:
    async with world(tmp_path, drain=5.0) as w:
        asked = asyncio.create_task(w.chat("large"))
        lease = await w.manager.lease()
        await lease.send(Queued(position=1))
        await until(lambda: "1 waiting" in repr(w.proxy.leases))
        w.server.stop()
        assert (await w.get("/ready")).status == 503
        await lease.send(Ready(endpoint=w.engine.url))
        assert "token4" in await asked


async def test_an_event_stream_of_the_manager_holds_no_drain_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as (started, port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /admin/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"event: models")
            started.send_signal(signal.SIGTERM)
            assert await started.wait() == 0
        writer.close()


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
async def test_forced_it_tells_who_is_cut_short_and_writes_down_what_it_logged(
    tmp_path: Path, first: signal.Signals
) -> None:
    async with serving(tmp_path) as (started, port, engine):
        reader, writer = await begin(port, b'{"hang_after":1}')
        started.send_signal(first)
        async with asyncio.timeout(PATIENCE):
            while await status_of(port, "/ready") != 503:
                await asyncio.sleep(0.01)
            started.send_signal(signal.SIGTERM)
            rest = await reader.read()
            assert b'"code": "draining"' in rest
            assert b"[DONE]" not in rest
            out, err = await started.communicate()
            assert started.returncode == 0
            await engine.seen.aborted.wait()
        assert b"/v1/chat/completions 503 " in out
        assert b"Traceback" not in err
        writer.close()


async def test_killed_in_the_middle_of_a_stream_it_serves_again_when_it_is_back(tmp_path: Path) -> None:
    async with FakeManager(MODELS) as manager, serving(tmp_path) as (started, port, engine):
        reader, writer = await begin(port, b'{"hang_after":2}')
        started.kill()
        async with asyncio.timeout(PATIENCE):
            rest = await reader.read()
            assert b"[DONE]" not in rest
            await engine.seen.aborted.wait()
            await started.wait()
        writer.close()
        manager.endpoints["small"] = engine.url
        where = {"proxy_port": str(port), "manager_url": manager.url, "token_file": str(tmp_path / "token")}
        where |= {"key_store": str(tmp_path / "keys.sqlite3"), "artifacts_dir": str(tmp_path / "artifacts")}
        async with process(**where):
            async with asyncio.timeout(PATIENCE):
                while await status_of(port, "/ready") != 200:
                    await asyncio.sleep(0.02)
            reader, writer = await begin(port, b'{"tokens":3}')
            async with asyncio.timeout(PATIENCE):
                assert b"token2" in await reader.readuntil(b"[DONE]")
            writer.close()
