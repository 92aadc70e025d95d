"""Heads that were read before: the same is made of them as of the first, and of all else what the parser makes."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ApiError
from proxy.gateway.answer import Answer, AnswerHeads
from proxy.gateway.asgi import BODY_WHOLE, HEADERS, Scope
from proxy.gateway.body import whole_body
from proxy.gateway.cycle import Cycle
from proxy.gateway.known_heads import MOST, KnownHeads, RecentHead, cut
from proxy.gateway.limits import ConnectionLimits
from proxy.gateway.phase import IDLE
from proxy.gateway.request_reader import RequestReader

pytestmark = pytest.mark.anyio

POST = b"POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nX-Id: 7\r\n\r\n%b"
ANSWER = b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: %d\r\ncontent-type: application/json\r\n\r\n%b"


class NoCaller:
    """A connection that nothing is asked of."""

    transport: asyncio.Transport
    unread: asyncio.Event | None = None

    def begin_head(self, status: int) -> bytes:
        raise AssertionError

    def write(self, data: bytes) -> None:
        raise AssertionError


class Read:
    """A request as a reader gave it."""

    def __init__(self, scope: Scope, keep_alive: bool) -> None:
        self.scope = {key: value for key, value in scope.items() if key != BODY_WHOLE}
        self.keep_alive = keep_alive
        self.is_known = BODY_WHOLE in scope
        self.body = b""
        self.is_whole = False

    def feed(self, data: bytes) -> None:
        self.body += data

    def end(self) -> None:
        self.is_whole = True

    def fill(self, body: bytes) -> None:
        self.body, self.is_whole = body, True


class Reader(RequestReader):
    """Notes what it reads."""

    def __init__(self, heads: KnownHeads[Scope]) -> None:
        super().__init__(asyncio.get_running_loop(), ConnectionLimits(), heads)
        self._client = ("127.0.0.1", 1)
        self.read: list[Read] = []
        self.refused: list[ApiError] = []

    def begin(self, scope: Scope, keep_alive: bool, awaits_continue: bool, body: bytes | None = None) -> Read:
        request = Read(scope, keep_alive)
        if body is not None:
            request.fill(body)
        self.read.append(request)
        return request

    def refuse(self, error: ApiError) -> None:
        self.refused.append(error)

    def late(self) -> None:
        raise AssertionError

    def told(self) -> list[tuple[dict[str, Any], bool, bytes, bool]]:
        return [(each.scope, each.keep_alive, each.body, each.is_whole) for each in self.read]


def read(heads: KnownHeads[Scope], *pieces: bytes) -> Reader:
    """One connection, and all that it brings."""
    reader = Reader(heads)
    for piece in pieces:
        reader.data_received(piece)
    reader._read_deadline.close()
    return reader


async def test_from_the_third_time_on_a_head_needs_no_parser_and_says_the_same() -> None:
    heads: KnownHeads[Scope] = KnownHeads()
    readers = [read(heads, POST % (4, b"abcd")) for _ in range(4)]
    assert [reader.read[0].is_known for reader in readers] == [False, False, True, True]
    assert all(reader.told() == readers[0].told() for reader in readers)
    assert readers[3].read[0].scope["query_string"] == b"x=1"


async def test_who_says_that_the_connection_is_kept_says_what_is_so_anyway() -> None:
    heads: KnownHeads[Scope] = KnownHeads()
    request = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na"
    readers = [read(heads, request) for _ in range(3)]
    assert readers[2].read[0].is_known
    assert readers[2].told() == readers[0].told()


async def test_a_body_that_comes_in_a_second_piece_is_joined_to_its_head() -> None:
    heads: KnownHeads[Scope] = KnownHeads()
    for _ in range(2):
        read(heads, POST % (4, b"abcd"))
    head, body = POST % (6, b""), b"abcdef"
    reader = read(heads, head, body, head, body)
    assert [each.is_known for each in reader.read] == [True, False]  # the second comes before the first is answered
    assert reader.told() == read(KnownHeads(), head + body, head + body).told()


async def test_only_the_length_may_be_another_and_it_is_told_as_it_is() -> None:
    heads: KnownHeads[Scope] = KnownHeads()
    for size in (4, 10, 100):
        reader = read(heads, POST % (size, b"x" * size))
    assert reader.read[0].is_known
    assert reader.told() == read(KnownHeads(), POST % (100, b"x" * 100)).told()
    assert reader.read[0].scope[HEADERS][b"content-length"] == b"100"


async def test_what_an_application_adds_to_a_scope_is_not_there_the_next_time() -> None:
    heads: KnownHeads[Scope] = KnownHeads()
    for _ in range(4):
        reader = read(heads, POST % (1, b"x"))
        assert "mine" not in reader.read[0].scope
        reader.read[0].scope["mine"] = True


ODD = (
    b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\nContent-Length: 1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na",
    b"POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nX-Length: 1\r\nContent-Length: 1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nX-Length: 1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:  1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 01\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n Length: 1\r\n\r\na",
)


@pytest.mark.parametrize("request_bytes", ODD)
async def test_a_head_that_says_more_is_always_the_parsers(request_bytes: bytes) -> None:
    heads: KnownHeads[Scope] = KnownHeads()
    first = read(KnownHeads(), request_bytes)
    for _ in range(4):
        again = read(heads, request_bytes)
        assert again.told() == first.told()
        assert [error.code for error in again.refused] == [error.code for error in first.refused]


@given(size=st.integers(0, 40), cuts=st.lists(st.integers(0, 400), max_size=4), count=st.integers(1, 4))
def test_however_the_bytes_come_the_same_requests_are_read(size: int, cuts: list[int], count: int) -> None:
    async def compare() -> None:
        stream = POST % (size, b"y" * size) * count
        edges = [0, *sorted(min(each, len(stream)) for each in cuts), len(stream)]
        pieces = [stream[start:end] for start, end in pairwise(edges) if start < end]
        heads: KnownHeads[Scope] = KnownHeads()
        for _ in range(3):
            read(heads, POST % (1, b"z"))
        assert read(heads, *pieces).told() == read(KnownHeads(), *pieces).told()

    asyncio.run(compare())


def test_what_is_remembered_is_bounded() -> None:
    heads: KnownHeads[int] = KnownHeads()
    for number in range(3 * MOST):
        message = cut(b"POST /%d HTTP/1.1\r\nContent-Length: 1\r\n\r\na" % number)
        assert message is not None
        for _ in range(2):
            heads.learn(message, {b"content-length": b"1"}, number)
    assert len(heads._known) <= MOST
    assert len(heads._once) <= MOST


@pytest.mark.parametrize(
    "data", [b"", b"GET / HTTP/1.1\r\n\r\n", POST % (4, b"abc"), POST % (2, b"abc"), POST % (10**13, b"")]
)
def test_less_or_more_than_one_message_is_not_cut(data: bytes) -> None:
    assert cut(data) is None


def test_an_answer_whose_head_is_known_says_the_same_as_the_first() -> None:
    heads, told = AnswerHeads(), []
    for size in (5, 5, 5, 9):
        answer = Answer(heads)
        answer.feed(ANSWER % (size, b"z" * size))
        flags = (answer.has_head, answer.is_complete, answer.keep_alive, answer.ends_with_the_connection)
        told.append((answer.status, answer.headers[b"content-length"], flags, answer.take()))
    assert told[0] == told[1] == told[2] == (200, b"5", (True, True, True, False), b"zzzzz")
    assert told[3] == (200, b"9", (True, True, True, False), b"z" * 9)


def test_more_than_one_answer_leaves_the_connection_in_doubt_though_the_head_is_known() -> None:
    heads = AnswerHeads()
    for _ in range(3):
        Answer(heads).feed(ANSWER % (1, b"a"))
    answer = Answer(heads)
    answer.feed(2 * (ANSWER % (1, b"a")))
    assert answer.is_complete
    assert not answer.keep_alive


async def test_a_body_that_somebody_received_is_not_found_whole_any_more() -> None:
    scope: Scope = {"method": "POST", BODY_WHOLE: b"{}"}
    cycle = Cycle(NoCaller(), scope, True, False)
    cycle.fill(b"{}")
    assert await cycle.receive() == {"type": "http.request", "body": b"{}", "more_body": False}
    assert whole_body(scope, 10) is None


SIZES = [*range(13), 98, 99, 100, 101, 102, 998, 999, 1000, 1001, 9_999, 10_000]


@pytest.mark.parametrize("size", SIZES)
async def test_the_head_that_came_last_is_known_again_whatever_its_length(size: int) -> None:
    heads: KnownHeads[Scope] = KnownHeads()
    for _ in range(2):
        read(heads, POST % (4, b"abcd"))
    reader = Reader(heads)
    reader.data_received(POST % (4, b"abcd"))
    reader._phase = IDLE  # as when it is answered
    reader.data_received(POST % (size, b"x" * size))
    reader._read_deadline.close()
    assert [each.is_known for each in reader.read] == [True, True]
    assert reader.told()[1:] == read(KnownHeads(), POST % (size, b"x" * size)).told()


@given(st.integers(0, 10**7), st.integers(-3, 3))
def test_a_message_that_is_not_as_long_as_its_head_says_is_none_to_the_recent_head(size: int, wrong: int) -> None:
    heads: KnownHeads[str] = KnownHeads()
    message = cut(POST % (4, b"abcd"))
    assert message is not None
    heads._known[message[0]] = "said"
    recent = RecentHead(heads)
    assert recent.find(POST % (4, b"abcd"))[0] == "said"
    bodies = (b"x" * size, b"x" * max(size + wrong, 0))
    for body in bodies:
        known, found = recent.find(POST % (size, body))
        is_whole = len(body) == size
        assert (known, found) == (("said", (message[0], b"%d" % size, body)) if is_whole else (None, None))
