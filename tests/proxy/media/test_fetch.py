"""The guarded fetcher, a resolver and servers of bad intent (C1 to C5, C7): the canary must see no connection."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from proxy.media.fetch import Dialler, Fetcher, Streams, resolve
from proxy.media.limits import MediaLimits
from proxy.media.refusal import MediaRefused
from tests.fakes.http import Exchange, HttpServer
from tests.proxy.media.pictures import encoded
from tests.proxy.media.test_urls import NO_NAME_OF_A_HOST

pytestmark = pytest.mark.anyio

PUBLIC = "93.184.215.14"
LIMITS = MediaLimits(hosts=frozenset({"pictures.example"}), size=64 * 2**10, fetch=2.0)
TOO_LARGE = "larger than 64 KiB"
HEAD = "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n"


class Net:
    """A resolver with prepared answers, and connections that go to a server on this machine whatever was dialled."""

    def __init__(self, port: int, *answers: Sequence[str]) -> None:
        self.asked: list[str] = []
        self.dialled: list[tuple[str, int, str | None]] = []
        self._port = port
        self._answers = list(answers)

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0)

    async def dial(self, address: str, port: int, server_name: str | None) -> Streams:
        self.dialled.append((address, port, server_name))
        return await asyncio.open_connection("127.0.0.1", self._port)


class Site:
    """A server that answers every request with the same bytes, and keeps what it was asked."""

    def __init__(self, *answer: bytes, pause: float = 0.0, stays: bool = False) -> None:
        self.heads: list[dict[str, str]] = []
        self.targets: list[str] = []
        self._answer = answer
        self._pause = pause
        self._stays = stays

    async def __call__(self, exchange: Exchange) -> None:
        self.heads.append(dict(exchange.request.headers))
        self.targets.append(exchange.request.target)
        for piece in self._answer:
            exchange.raw(piece)
            await asyncio.sleep(self._pause)
        if self._stays:
            await exchange.gone.wait()
        await exchange.die()


@asynccontextmanager
async def reached(site: Site, *answers: Sequence[str]) -> AsyncIterator[tuple[Fetcher, Net, HttpServer]]:
    async with HttpServer(site) as server:
        net = Net(server.port, *answers)
        yield Fetcher(LIMITS, net.resolve, net.dial), net, server


def whole(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"{HEAD}{lines}content-length: {len(body)}\r\n\r\n".encode() + body


async def refusal(fetcher: Fetcher, url: str = "https://pictures.example/a.png") -> MediaRefused:
    with pytest.raises(MediaRefused) as raised:
        await fetcher.fetch(url)
    assert PUBLIC not in raised.value.reason
    assert "127.0.0.1" not in raised.value.reason
    return raised.value


async def test_a_file_is_fetched_from_the_address_that_was_looked_at_under_the_name_that_was_asked_for() -> None:
    site, data = Site(whole(encoded())), encoded()
    async with reached(site, [PUBLIC, "93.184.215.15"]) as (fetcher, net, _):
        assert await fetcher.fetch("https://pictures.example/a.png?b") == data
    assert net.dialled == [(PUBLIC, 443, "pictures.example")]
    assert net.asked == ["pictures.example"]
    assert site.targets == ["/a.png?b"]


@pytest.mark.parametrize(
    ("answer", "size"),
    [
        ((whole(b"a" * 64 * 2**10),), 64 * 2**10),
        ((f"{HEAD}\r\n".encode(), b"a" * 100, b"a" * 100), 200),
        ((f"{HEAD}transfer-encoding: chunked\r\n\r\n5\r\n".encode(), b"aaaaa\r\n0\r\n\r\n"), 5),
        ((whole(b"a", "content-encoding: Identity"),), 1),
        ((f"{HEAD}content-length: {1:020}\r\n\r\na".encode(),), 1),
    ],
    ids=["of the most bytes", "ended by the connection", "in chunks", "not compressed", "a length of many digits"],
)
async def test_a_file_is_whole_however_its_server_frames_it(answer: tuple[bytes, ...], size: int) -> None:
    async with reached(Site(*answer, pause=0.01), [PUBLIC]) as (fetcher, _, _):
        assert await fetcher.fetch("https://pictures.example/a.png") == b"a" * size


async def test_nothing_of_the_environment_and_nothing_secret_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(whole(encoded()))
    async with reached(Site(whole(b"canary"))) as (_, _, canary), reached(site, [PUBLIC]) as (fetcher, net, _):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, canary.url)
        await fetcher.fetch("http://pictures.example/a.png")
        assert canary.connections == 0
    assert net.dialled == [(PUBLIC, 80, None)]


async def test_the_request_is_these_lines_and_no_more() -> None:
    heard = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.read(1000))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        net = Net(server.sockets[0].getsockname()[1], [PUBLIC])
        assert "too early" in (await refusal(Fetcher(LIMITS, net.resolve, net.dial))).reason
    assert await heard == (
        b"GET /a.png HTTP/1.1\r\nhost: pictures.example\r\n"
        b"accept: image/png, image/jpeg, image/webp, audio/wav, audio/mpeg\r\naccept-encoding: identity\r\n"
        b"user-agent: roundhouse\r\nconnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        [PUBLIC, "127.0.0.1"],
        ["10.0.0.1", PUBLIC],
        [PUBLIC, "::ffff:169.254.169.254"],
        ["fd00:ec2::254"],
        ["fe80::1%2"],
        [],
    ],
)
async def test_a_name_with_any_address_that_is_not_public_is_not_connected_to(answer: list[str]) -> None:
    async with reached(Site(whole(b"x")), answer) as (fetcher, net, canary):
        assert (await refusal(fetcher)).code == "media_host_not_allowed"
        assert net.dialled == []
        assert canary.connections == 0


async def test_a_name_that_is_bound_anew_is_not_looked_up_again() -> None:
    async with reached(Site(whole(b"x")), [PUBLIC], ["127.0.0.1"]) as (fetcher, net, _):
        await fetcher.fetch("https://pictures.example/")
        assert net.dialled == [(PUBLIC, 443, "pictures.example")]
        assert net.asked == ["pictures.example"]


@pytest.mark.parametrize("url", [*NO_NAME_OF_A_HOST, "https://other.example/", "https://pictures.example:8443/"])
async def test_what_is_not_on_the_list_is_neither_looked_up_nor_connected_to(url: str) -> None:
    async with reached(Site(whole(b"x")), [PUBLIC]) as (fetcher, net, canary):
        await refusal(fetcher, url)
        assert net.asked == []
        assert canary.connections == 0


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["http://127.0.0.1:{}/", "file:///etc/passwd", "gopher://a/", "/b.png"])
async def test_a_redirect_is_a_refusal(status: int, place: str) -> None:
    async with reached(Site(whole(b"x"))) as (_, _, canary):
        moved = f"HTTP/1.1 {status} X\r\nlocation: {place.format(canary.port)}\r\ncontent-length: 0\r\n\r\n"
        async with reached(Site(moved.encode()), [PUBLIC]) as (fetcher, net, _):
            assert "redirects" in (await refusal(fetcher)).reason
            assert len(net.dialled) == 1
        assert canary.connections == 0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((whole(b"a" * (64 * 2**10 + 1)),), TOO_LARGE),
        ((f"{HEAD}content-length: 999999999\r\n\r\n".encode(),), TOO_LARGE),
        ((f"{HEAD}content-length: {1:021}\r\n\r\na".encode(),), TOO_LARGE),
        ((f"{HEAD}\r\n".encode(), b"a" * 70_000), TOO_LARGE),
        (
            (f"{HEAD}transfer-encoding: chunked\r\n\r\n".encode(), *[b"8000\r\n" + b"a" * 32768 + b"\r\n"] * 3),
            TOO_LARGE,
        ),
        ((f"{HEAD}content-length: 9\r\n\r\nshort".encode(),), "ended too early"),
        ((f"{HEAD}transfer-encoding: chunked\r\n\r\n5\r\nshort".encode(),), "ended too early"),
        ((whole(b""),), "is empty"),
        ((whole(gzip.compress(bytes(10**6)), "content-encoding: gzip"),), "compressed"),
        ((b"HTTP/1.1 400 X\r\ncontent-length: 0\r\n\r\n",), "status 400"),
        ((b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n",), "status 404"),
        ((b"HTTP/1.1 200 X\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",), "is not HTTP"),
        ((b"220 ftp.example ready\r\n",), "is not HTTP"),
        ((b"",), "ended too early"),
        ((b"HTTP/1.1 200 X\r\nx: " + b"a" * 200_000 + b"\r\n\r\n",), "is not HTTP"),
    ],
)
async def test_an_answer_that_is_too_large_or_not_whole_is_refused(answer: tuple[bytes, ...], why: str) -> None:
    async with reached(Site(*answer), [PUBLIC]) as (fetcher, _, _):
        refused = await refusal(fetcher)
        assert refused.code == ("media_too_large" if why == TOO_LARGE else "media_not_fetched")
        assert why in refused.reason


@pytest.mark.parametrize("site", [Site(stays=True), Site(f"{HEAD}\r\n".encode(), *[b"a"] * 500, pause=0.02)])
async def test_an_answer_that_drips_or_never_comes_is_given_up(site: Site) -> None:
    async with HttpServer(site) as server:
        net = Net(server.port, [PUBLIC])
        limits = MediaLimits(hosts=LIMITS.hosts, fetch=0.2)
        assert "too long" in (await refusal(Fetcher(limits, net.resolve, net.dial))).reason


async def test_a_name_that_cannot_be_found_and_a_host_that_does_not_answer_are_told() -> None:
    async def unknown(host: str) -> Sequence[str]:
        raise OSError("Name or service not known")

    async def unreachable(address: str, port: int, server_name: str | None) -> Streams:
        raise ConnectionRefusedError(f"connect to {address} failed")

    async with reached(Site(b""), [PUBLIC]) as (_, net, _):
        for fetcher in (Fetcher(LIMITS, unknown, net.dial), Fetcher(LIMITS, net.resolve, unreachable)):
            refused = await refusal(fetcher)
            assert refused.code == "media_not_fetched"
            assert "cannot be reached" in refused.reason


async def test_where_https_was_asked_for_a_server_that_shows_no_certificate_is_told_nothing() -> None:
    heard: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))
        writer.write(whole(b"x"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.2", 0)
    async with server:
        net = Net(0, [PUBLIC], [PUBLIC])

        async def dial(address: str, port: int, server_name: str | None) -> Streams:
            return await Dialler()("127.0.0.2", server.sockets[0].getsockname()[1], server_name)

        assert (await refusal(Fetcher(LIMITS, net.resolve, dial))).code == "media_not_fetched"
        assert b"GET" not in heard[0]
        assert b"pictures.example" in heard[0], "the name whose certificate it must show"
        assert await Fetcher(LIMITS, net.resolve, dial).fetch("http://pictures.example/") == b"x"
        assert heard[1].startswith(b"GET / HTTP/1.1")


async def test_a_name_is_resolved_to_its_addresses_each_once() -> None:
    assert await resolve("127.0.0.2") == ["127.0.0.2"]
