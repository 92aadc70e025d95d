"""A request that needs no task ends as one that has a task does, in whatever way it ends.

A head has to be known before its requests fly, so each line of a test asks three times first.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.lease import Drain
from proxy.flight import Flight
from proxy.gateway.connection import Connection
from proxy.gateway.upstream_errors import NotSent
from tests.proxy.keyed import CHAT, Keyed, Made, keyed
from tests.proxy.world import PATIENCE, Raw, World, until

pytestmark = pytest.mark.anyio
ORDINARY = "x-roundhouse-wait: 60"  # it asks for something, which the fast path leaves to the ordinary way
MADE_ANEW = {"x-request-id", "date", "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"} | {
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
}


class Line:
    """One caller's connection, kept open, on which every request has the same head but for its length."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *headers: str) -> None:
        self._reader = reader
        self.writer = writer
        self._lines = (f"POST {CHAT} HTTP/1.1", "host: localhost", "content-type: application/json", *headers)

    def send(self, **fake: object) -> None:
        body = json.dumps({"model": "small", "messages": [], "fake": fake}).encode()
        self.writer.write(self._head(len(body)) + body)

    def send_head(self, size: int) -> None:
        self.writer.write(self._head(size))

    def _head(self, size: int) -> bytes:
        return "\r\n".join([*self._lines, f"content-length: {size}", "", ""]).encode()

    async def answer(self) -> Raw:
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            told = Raw.parse(head)
            body = await self._reader.readexactly(int(told.headers["content-length"]))
        return Raw.parse(head + body)

    async def ask(self, **fake: object) -> Raw:
        self.send(**fake)
        return await self.answer()


@asynccontextmanager
async def line_to(w: World, *headers: str) -> AsyncIterator[Line]:
    """A line whose head is known."""
    reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
    line = Line(reader, writer, *headers)
    for _ in range(3):
        assert (await line.ask()).status == 200
    try:
        yield line
    finally:
        writer.close()


@dataclass
class Flights:
    departed: int = 0


@pytest.fixture
def flights(monkeypatch: pytest.MonkeyPatch) -> Flights:
    """How many requests have taken the fast path."""
    counted, depart = Flights(), Flight.depart

    def departing(flight: Flight, *arguments: object) -> None:
        counted.departed += 1
        depart(flight, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Flight, "depart", departing)
    return counted


@dataclass
class Sky:
    keyed: Keyed
    key: Made
    flights: Flights

    @property
    def world(self) -> World:
        return self.keyed.world

    async def is_clear(self) -> None:
        """Nothing is in flight, nobody holds the model, and the key has all its places."""
        w = self.world
        await until(lambda: "<Traffic 0 in flight>" in repr(w.proxy.traffic))
        await until(lambda: "0 in flight, 0 waiting" in repr(w.proxy.leases))
        await until(lambda: not w.engine.seen.requests or "<Pool 2 busy" in repr(w.proxy.pool))


@pytest.fixture
async def sky(tmp_path: Path, flights: Flights) -> AsyncIterator[Sky]:
    async with keyed(tmp_path, plain_answer=1.5, lease_linger=60.0) as k:
        limits = {"concurrent_requests": 2, "requests_per_minute": 10_000, "tokens_per_minute": 10_000_000}
        yield Sky(k, await k.make(limits=limits), flights)


def same(answer: Raw) -> tuple[int, dict[str, str], bytes]:
    """What does not change from one request to the next."""
    headers = {name: value for name, value in answer.headers.items() if name not in MADE_ANEW}
    return answer.status, headers, answer.body.replace(answer.headers["x-request-id"].encode(), b"ID")


async def test_the_third_request_of_a_head_flies_and_a_stream_never_does(sky: Sky) -> None:
    async with line_to(sky.world, sky.key.header) as line:
        assert sky.flights.departed == 1
        await line.ask()
        assert sky.flights.departed == 2
        stream = await sky.world.post(CHAT, b'{"model":"small","stream":true}', sky.key.header)
        assert stream.status == 200
        assert sky.flights.departed == 2
    await sky.is_clear()


@pytest.mark.parametrize(
    "fake",
    [
        {},
        {"tokens": 0},
        {"status": 400},
        {"status": 404},
        {"status": 429},
        {"status": 500},
        {"status": 503},
        {"garbage": "no JSON at all"},
        {"content_type": "text/html"},
        {"raw": "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"},
        {"raw": "SSH-2.0-OpenSSH\r\n\r\n"},
        {"die_after": 0},
        {"die_after": 1},
        {"hang_before_head": True},
    ],
    ids=json.dumps,
)
async def test_it_is_answered_as_the_ordinary_way_answers_it(sky: Sky, fake: dict[str, object]) -> None:
    async with line_to(sky.world, sky.key.header, ORDINARY) as ordinary, line_to(sky.world, sky.key.header) as line:
        flown = sky.flights.departed
        expected = await ordinary.ask(**fake)
        assert sky.flights.departed == flown
        assert (await ordinary.ask()).status == 200  # a connection to the engine lies ready again
        assert same(await line.ask(**fake)) == same(expected)
        assert sky.flights.departed == flown + 1
        assert (await line.ask()).status == 200, "the line goes on"
    await sky.is_clear()


async def test_a_caller_that_leaves_cuts_its_engine_off_and_loses_no_place(sky: Sky) -> None:
    for _ in range(3):
        sky.world.engine.seen.aborted.clear()
        async with line_to(sky.world, sky.key.header) as line:
            sky.world.engine.seen.arrived.clear()
            line.send(hang_before_head=True)
            await sky.world.engine.seen.arrived.wait()
        async with asyncio.timeout(1.0):
            await sky.world.engine.seen.aborted.wait()
        await sky.is_clear()


async def test_a_drain_ends_at_its_bound_what_flies(sky: Sky) -> None:
    async with line_to(sky.world, sky.key.header) as line:
        line.send(hang_before_head=True)
        await until(lambda: "1 in flight" in repr(sky.world.proxy.leases))
        await (await sky.world.manager.lease()).send(Drain(seconds=0.05))
        answer = await line.answer()
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (503, "drained")


async def test_a_proxy_that_must_stop_at_once_tells_what_flies(sky: Sky) -> None:
    async with line_to(sky.world, sky.key.header) as line:
        line.send(hang_before_head=True)
        await until(lambda: "1 in flight" in repr(sky.world.proxy.leases))
        sky.world.server.stop()
        sky.world.server.stop()
        answer = await line.answer()
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (503, "draining")


async def test_what_no_engine_has_received_begins_anew_with_its_ticket(
    sky: Sky, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, raised = Connection.whole, asyncio.Event()

    def lost_once(connection: Connection) -> bytes:
        if not raised.is_set():
            raised.set()
            raise NotSent("the server had closed the connection")
        return whole(connection)

    async with line_to(sky.world, sky.key.header) as line:
        before = (await sky.keyed.usage(sky.key))[0]["requests"]
        monkeypatch.setattr(Connection, "whole", lost_once)
        assert (await line.ask()).status == 200
        assert raised.is_set()
        assert (await sky.keyed.usage(sky.key))[0]["requests"] == before + 1
    await sky.is_clear()


async def test_the_limits_hold_and_each_place_comes_back(sky: Sky) -> None:
    w = sky.world
    async with (
        line_to(w, sky.key.header) as one,
        line_to(w, sky.key.header) as two,
        line_to(w, sky.key.header) as three,
    ):
        one.send(first_delay=0.3)
        two.send(first_delay=0.3)
        await until(lambda: "2 in flight" in repr(w.proxy.leases))
        refused = await three.ask()
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert [(await line.answer()).status for line in (one, two)] == [200, 200]
        assert (await three.ask()).status == 200
    await sky.is_clear()


async def test_a_key_that_was_revoked_flies_no_more(sky: Sky) -> None:
    async with line_to(sky.world, sky.key.header) as line:
        await sky.keyed.ask("DELETE", f"/admin/keys/{sky.key.id}")
        assert (await line.ask()).status == 401
    await sky.is_clear()


async def test_a_body_behind_its_head_flies_and_one_that_stays_away_has_its_head_judged(sky: Sky) -> None:
    async with line_to(sky.world, sky.key.header) as line:
        flown = sky.flights.departed
        line.send_head(2)
        await asyncio.sleep(0)
        line.writer.write(b"{}")
        assert (await line.answer()).status == 200
        assert sky.flights.departed == flown + 1
        await sky.keyed.ask("DELETE", f"/admin/keys/{sky.key.id}")
        line.send_head(2)
        assert (await line.answer()).status == 401


async def test_no_body_is_read_of_who_has_no_key(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> None:
    async with line_to(sky.world, sky.key.header) as line:
        await sky.keyed.ask("DELETE", f"/admin/keys/{sky.key.id}")
        monkeypatch.setattr("proxy.fast_path.peek", lambda _body: pytest.fail("it was read"))
        assert (await line.ask()).status == 401


async def test_a_bad_key_of_a_known_head_is_counted_once(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[object] = []
    monkeypatch.setattr("proxy.access.sources.BadKeys.count", lambda _bad, source: counted.append(source))
    async with line_to(sky.world, sky.key.header) as line:
        await sky.keyed.ask("DELETE", f"/admin/keys/{sky.key.id}")
        assert (await line.ask()).status == 401
    assert len(counted) == 1


async def test_requests_that_come_before_the_answer_are_answered_in_their_order(sky: Sky) -> None:
    async with line_to(sky.world, sky.key.header) as line:
        for tokens in (3, 1, 2):
            line.send(tokens=tokens, first_delay=0.02 * tokens)
            await line.writer.drain()
        texts = [json.loads((await line.answer()).body)["choices"][0]["message"]["content"] for _ in range(3)]
    assert [len(text.split()) for text in texts] == [3, 1, 2]


async def test_each_is_logged_and_counted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flights: Flights
) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        async with line_to(k.world, key.header) as line:
            k.world.proxy.front.records.flush()
            capsys.readouterr()
            answers = [await line.ask(), await line.ask(status=400)]
            k.world.proxy.front.records.flush()
            logged = [row.split(" ") for row in capsys.readouterr().out.splitlines()]
        assert flights.departed == 3
        assert [row[2] for row in logged] == ["200", "400"]
        assert [row[4] for row in logged] == [answer.headers["x-request-id"] for answer in answers]
        assert [row[5] for row in logged] == ["small", "small"]
        assert (await k.usage(key))[0]["requests"] == 5
