"""The pooled client, against servers that misbehave."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from proxy.gateway.answer import FEW
from proxy.gateway.upstream import Address, Pool, PoolLimits
from proxy.gateway.upstream_errors import AnswerInvalid, AnswerLost, AnswerTimeout, NotSent
from tests.fakes.http import Exchange, HttpServer
from tests.proxy.world import PATIENCE, until

pytestmark = pytest.mark.anyio
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[tuple[HttpServer, Address, Pool]]:
    """A server that answers with these bytes, one after the other; at an empty one it cuts the connection."""
    left = list(answers)

    async def handle(exchange: Exchange) -> None:
        data = left.pop(0)
        exchange.raw(data) if data else await exchange.die()

    pool = Pool(PoolLimits(idle=5.0))
    async with HttpServer(handle) as server:
        yield server, Address("127.0.0.1", server.port), pool
        pool.close()


async def fetch(pool: Pool, address: Address, seconds: float = PATIENCE) -> bytes:
    async with pool.exchange(address, GET) as answer:
        return await answer.read_all(seconds, 10_000)


async def test_one_connection_serves_many_exchanges() -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with serving(good, good, good) as (server, address, pool):
        assert [await fetch(pool, address) for _ in range(3)] == [b"ok"] * 3
        assert server.connections == 1
        assert repr(pool) == "<Pool 0 busy, 1 idle>"


async def test_a_near_address_is_never_looked_for_behind_a_gateway() -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with serving(good) as (_, address, pool):
        async with pool.exchange(replace(address, near=True), GET) as answer:
            assert await answer.read_all(PATIENCE, 10_000) == b"ok"
            link = answer._transport.get_extra_info("socket")
            assert link.getsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE)
            assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with pytest.raises(NotSent, match="unreachable"):
            await fetch(pool, Address("198.51.100.1", 9, near=True))


async def test_an_answer_that_ends_with_its_connection_is_whole_and_the_connection_is_not_used_again() -> None:
    async def handle(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        exchange._writer.close()

    pool = Pool(PoolLimits())
    async with HttpServer(handle) as server:
        assert await fetch(pool, Address("127.0.0.1", server.port)) == b"all of it"
        assert repr(pool) == "<Pool 0 busy, 0 idle>"


async def test_interim_answers_are_skipped() -> None:
    both = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with serving(both) as (_, address, pool):
        assert await fetch(pool, address) == b"ok"


async def test_a_server_that_closes_an_idle_connection_costs_no_request() -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with serving(good, good) as (server, address, pool):
        await fetch(pool, address)
        await server.stop()
        await server.start()
        await until(lambda: repr(pool) == "<Pool 0 busy, 0 idle>")
        assert await fetch(pool, address) == b"ok"


async def test_a_request_that_met_a_closed_connection_is_known_as_unread() -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with serving(good) as (server, address, pool):
        await fetch(pool, address)
        for writer in tuple(server._writers):
            writer.transport.abort()  # the end is on its way, and the loop has not seen it yet
        exchange = pool.exchange(address, GET)
        with pytest.raises(NotSent):
            async with exchange as answer:
                await answer.read_all(PATIENCE, 100)


async def test_a_server_that_dies_of_a_request_has_read_it() -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with serving(good, b"") as (_, address, pool):
        await fetch(pool, address)
        with pytest.raises(AnswerLost):
            await fetch(pool, address)


async def test_a_server_that_dies_of_the_first_request_of_a_connection_has_read_it() -> None:
    async with serving(b"") as (_, address, pool):
        with pytest.raises(AnswerLost):
            await fetch(pool, address)


async def test_no_server_is_a_request_not_sent() -> None:
    async with serving() as (server, address, pool):
        await server.stop()
        with pytest.raises(NotSent):
            await fetch(pool, address)


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n" + b"y" * 20_000,
    ],
)
async def test_what_is_no_answer_or_too_large_is_invalid(data: bytes) -> None:
    async with serving(data) as (_, address, pool):
        with pytest.raises(AnswerInvalid):
            await fetch(pool, address)
        assert "0 busy" in repr(pool)


async def test_silence_is_a_timeout_and_cuts_the_connection() -> None:
    gone = asyncio.Event()

    async def handle(exchange: Exchange) -> None:
        await exchange.gone.wait()
        gone.set()

    pool = Pool(PoolLimits())
    async with HttpServer(handle) as server:
        with pytest.raises(AnswerTimeout):
            await fetch(pool, Address("127.0.0.1", server.port), 0.05)
        async with asyncio.timeout(PATIENCE):
            await gone.wait()


async def test_bytes_after_an_answer_never_become_the_next_requests_answer() -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with serving(good + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", good) as (server, address, pool):
        await fetch(pool, address)
        assert await fetch(pool, address) == b"ok"
        assert server.connections == 2


async def test_an_idle_connection_is_closed_before_its_server_would() -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with serving(good) as (_, address, _):
        pool = Pool(PoolLimits(idle=0.05))
        await fetch(pool, address)
        assert repr(pool) == "<Pool 0 busy, 1 idle>"
        await until(lambda: repr(pool) == "<Pool 0 busy, 0 idle>")


def chunked(*chunks: bytes) -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


async def test_chunks_that_came_together_are_read_one_by_one_and_a_backlog_of_them_at_once() -> None:
    few, many = [b"one", b"two", b"three"], [b"%d" % number for number in range(FEW + 1)]
    async with serving(chunked(*few), chunked(*many)) as (_, address, pool):
        for expected in ([*few, b""], [b"".join(many), b""]):
            async with pool.exchange(address, GET) as answer:
                await until(lambda: answer.is_reusable)
                assert [await answer.read(PATIENCE) for _ in expected] == expected


async def test_a_reader_that_pauses_makes_the_server_wait() -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.start(200, "text/plain", 64 * 2**20)
        for _ in range(64):
            exchange.raw(b"x" * 2**20)
            await exchange._writer.drain()

    pool = Pool(PoolLimits())
    async with HttpServer(handle) as server:
        total = 0
        async with pool.exchange(Address("127.0.0.1", server.port), GET) as answer:
            while data := await answer.read(PATIENCE):
                total += len(data)
                assert len(data) < 2**20
                await asyncio.sleep(0)
        assert total == 64 * 2**20


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "https://a", "http://", "file:///etc", "http://a:99999"])
def test_only_an_http_url_is_an_address(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|[Pp]ort"):
        Address.parse(url)


def test_an_address_knows_its_authority() -> None:
    assert Address.parse("http://10.0.0.1:8000/v1").authority == b"10.0.0.1:8000"
    assert Address.parse("http://[::1]:8000").authority == b"[::1]:8000"
