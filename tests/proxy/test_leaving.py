"""A caller that leaves stops its engine within a second, in whatever window, and never the load."""

import asyncio
import gc
import socket
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.lease import Ready
from tests.proxy.world import PATIENCE, World, until, world

pytestmark = pytest.mark.anyio

FAST = 1.0


async def leave(w: World, body: bytes, *, after: bytes = b"") -> float:
    """Ask, leave once the engine has the request (and the answer begins with `after`) -> when."""
    reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
    writer.write(head_of(body) + body)
    async with asyncio.timeout(PATIENCE):
        await w.engine.seen.arrived.wait()
        if after:
            await reader.readuntil(after)
    writer.close()
    return time.monotonic()


def head_of(body: bytes) -> bytes:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return head + b"content-length: %d\r\n\r\n" % len(body)


CHAT_BODY = b'{"model":"small","fake":{"tokens":1}}'
CHAT = head_of(CHAT_BODY) + CHAT_BODY


async def assert_stopped(w: World, left: float) -> None:
    async with asyncio.timeout(PATIENCE):
        await w.engine.seen.aborted.wait()
    assert w.engine.seen.aborts[0] - left < FAST
    await until(lambda: "0 in flight, 0 waiting" in repr(w.proxy.leases))
    await until(lambda: repr(w.proxy.traffic) == "<Traffic 0 in flight>")


async def test_before_the_first_token(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        left = await leave(w, b'{"model":"small","stream":true,"fake":{"hang_after":0}}')
        await assert_stopped(w, left)


async def test_in_the_middle_of_a_stream(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        left = await leave(w, b'{"model":"small","stream":true,"fake":{"hang_after":2}}', after=b"token1")
        await assert_stopped(w, left)


async def test_while_a_plain_answer_is_made(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        left = await leave(w, b'{"model":"small","fake":{"hang_before_head":true}}')
        await assert_stopped(w, left)


async def test_with_a_body_larger_than_the_servers_buffer(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        padding = b"x" * 3_000_000
        left = await leave(w, b'{"model":"small","fake":{"hang_before_head":true},"pad":"%b"}' % padding)
        await assert_stopped(w, left)


async def test_while_the_model_loads_the_lease_stays_and_the_engine_never_hears_of_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = asyncio.create_task(w.chat("large"))
        lease = await w.manager.lease()
        asked.cancel()
        await until(lambda: "0 waiting" in repr(w.proxy.leases))
        assert not lease.closed.is_set()
        await lease.send(Ready(endpoint=w.engine.url))
        await until(lambda: "ready at" in repr(w.proxy.leases))
        assert w.engine.seen.requests == []


async def test_before_the_proxy_has_even_read_the_request_the_model_is_loaded_all_the_same(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        body = b'{"model":"large"}'
        # Blocking, in the proxy's own thread: it finds the request and its caller's end at the same time.
        with socket.create_connection(("127.0.0.1", w.port)) as caller:
            caller.sendall(head_of(body) + body)
        async with asyncio.timeout(PATIENCE):
            assert (await w.manager.lease()).model == "large"


async def test_a_caller_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    async with world(tmp_path, write_timeout=0.2) as w:
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port, limit=1024)
        body = b'{"model":"small","stream":true,"fake":{"tokens":1000,"garbage":"data: %b\\n\\n"}}' % (b"x" * 100_000)
        try:
            writer.write(head_of(body) + body)
            async with asyncio.timeout(PATIENCE):
                await w.engine.seen.aborted.wait()
            assert not reader.at_eof()
        finally:
            writer.transport.abort()


async def test_a_hundred_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        streams = [await w.stream(hang_after=1) for _ in range(100)]
        await asyncio.gather(*(stream.close() for stream in streams))
        await until(lambda: "0 in flight, 0 waiting" in repr(w.proxy.leases))
        await until(lambda: len(w.engine.seen.aborts) == 100)
        assert repr(w.proxy.pool).startswith("<Pool 2 busy")  # the lease and the events


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What holds itself in a circle waits for the collector: memory would grow with connections, in steps."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("request_", [b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n", CHAT], ids=["health", "chat"])
async def test_a_connection_that_has_ended_is_held_by_nobody(
    tmp_path: Path, without_collector: None, request_: bytes, count: int
) -> None:
    async with world(tmp_path) as w:
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
        for _ in range(count):
            await answered(reader, writer, request_)
        (connection,) = (weakref.ref(each) for each in w.server.server_state.connections)
        writer.close()
        await until(lambda: connection() is None)


@pytest.mark.parametrize("before", [0, 1], ids=["first", "after another"])
@pytest.mark.parametrize("stream", [b"false", b"true"], ids=["plain", "stream"])
async def test_a_connection_that_ends_in_the_middle_of_an_answer_is_held_by_nobody(
    tmp_path: Path, without_collector: None, stream: bytes, before: int
) -> None:
    body = b'{"model":"small","stream":%b,"fake":{"hang_after":0}}' % stream
    async with world(tmp_path) as w:
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
        for _ in range(before):
            await answered(reader, writer, CHAT)
        w.engine.seen.arrived.clear()
        writer.write(head_of(body) + body)
        async with asyncio.timeout(PATIENCE):
            await w.engine.seen.arrived.wait()
        (connection,) = (weakref.ref(each) for each in w.server.server_state.connections)
        writer.close()
        await until(lambda: connection() is None)
