"""Bad clients: every refusal has its status, the OpenAI shape, and its deadline."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.proxy.world import PATIENCE, Raw, World, until, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
GOOD = b'{"model":"small"}'


def assert_refused(answer: Raw, status: int, code: str | None = None) -> None:
    assert answer.status == status
    error = json.loads(answer.body)["error"]
    assert set(error) == {"message", "type", "param", "code", "origin"}
    assert error["origin"] == "proxy"
    assert answer.headers["x-request-id"]
    assert answer.headers["connection"] == "close"
    if code is not None:
        assert error["code"] == code


BODIES = [
    b"",
    b"[]",
    b'"x"',
    b"{",
    b"null",
    b'{"a":' + b"[" * 100_000,
    b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"a":"\xff"}',
    '{"model":"small"}'.encode("utf-16"),
    b"\xef\xbb\xbf{}",
    b'{"a":"\\u0000"}',
    b'{"a":"\\ud800"}',
    b'{"a":NaN}',
    b'{"model":5}',
    b'{"stream":"yes"}',
    b'{"chat_template":"x"}',
]


@pytest.mark.parametrize("body", BODIES)
async def test_a_body_that_is_no_request_is_a_400(tmp_path: Path, body: bytes) -> None:
    async with world(tmp_path) as w:
        assert_refused(await w.post(CHAT, body), 400)
        assert w.engine.seen.requests == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json;charset=utf-16"])
async def test_a_body_of_another_media_type_is_a_415(tmp_path: Path, kind: str) -> None:
    async with world(tmp_path) as w:
        assert_refused(await w.post(CHAT, GOOD, f"content-type: {kind}"), 415, "unsupported_media_type")


async def test_a_body_over_the_bound_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with world(tmp_path, body_size=1000) as w:
        head = (
            f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1001\r\n\r\n"
        )
        assert_refused(await w.request(head.encode()), 413, "payload_too_large")


async def test_a_caller_that_sends_on_still_reads_why_it_was_refused(tmp_path: Path) -> None:
    async with world(tmp_path, body_size=1000) as w:
        assert_refused(await w.post(CHAT, b"x" * 5_000_000), 413)


async def test_a_body_without_a_length_is_refused_where_it_crosses_the_bound(tmp_path: Path) -> None:
    async with world(tmp_path, body_size=1000) as w:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        body = b"".join(b"64\r\n" + b"x" * 100 + b"\r\n" for _ in range(11))
        assert_refused(await w.request(head.encode() + b"transfer-encoding: chunked\r\n\r\n" + body), 413)


async def test_a_chunked_body_within_the_bound_is_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n"
        body = b'8\r\n{"model"\r\n9\r\n:"small"}\r\n0\r\n\r\n'
        answer = await w.request(head.encode() + b"transfer-encoding: chunked\r\n\r\n" + body)
        assert answer.status == 200


async def test_a_body_that_stops_coming_is_a_408(tmp_path: Path) -> None:
    async with world(tmp_path, body_timeout=0.1) as w:
        head = (
            f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
        )
        assert_refused(await w.request(head.encode() + b"{"), 408, "request_timeout")


@pytest.mark.parametrize("begun", [b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nhost: localhost\r\nx-a: "])
async def test_a_head_that_stops_coming_is_a_408(tmp_path: Path, begun: bytes) -> None:
    async with world(tmp_path, head_timeout=0.1) as w:
        assert_refused(await w.request(begun), 408, "request_timeout")


async def test_a_connection_that_says_nothing_is_closed_in_silence(tmp_path: Path) -> None:
    async with world(tmp_path, head_timeout=0.1) as w:
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()


async def test_line_ends_between_requests_keep_no_connection_open(tmp_path: Path) -> None:
    async with world(tmp_path, head_timeout=0.1) as w:
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
        writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b'{"status":"ok"}')
            writer.write(b"\r\n\r\n")
            assert await reader.read() == b""
        writer.close()


async def test_two_hundred_slow_heads_end_by_their_deadline_and_nobody_waits_for_them(tmp_path: Path) -> None:
    async with world(tmp_path, head_timeout=0.5) as w:
        slow = [asyncio.create_task(w.request(b"POST / HTTP/1.1\r\nx: ")) for _ in range(200)]
        assert (await w.post(CHAT, GOOD)).status == 200
        assert {answer.status for answer in await asyncio.gather(*slow)} == {408}


HEADS = [
    (b"x-large: " + b"x" * 70_000 + b"\r\n", 431),
    (b"x-large: " + b"x" * 1_000_000, 431),
    (b"".join(b"x-%d: 1\r\n" % number for number in range(201)), 431),
    (b"".join(b"x-%d: 1\r\n" % number for number in range(50_000)), 431),
]


@pytest.mark.parametrize(("headers", "status"), HEADS)
async def test_a_head_over_its_bounds_is_a_431(tmp_path: Path, headers: bytes, status: int) -> None:
    async with world(tmp_path) as w:
        answer = await w.request(b"GET /health HTTP/1.1\r\nhost: localhost\r\n" + headers + b"\r\n")
        assert_refused(answer, status, "headers_too_large")


async def test_a_head_at_its_bounds_is_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        answer = await w.get("/health", f"x-large: {'x' * 60_000}")
        assert answer.status == 200
        assert (await w.get("/health", *(f"x-{number}: 1" for number in range(190)))).status == 200


async def test_a_url_over_its_bound_is_a_414(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert_refused(await w.get("/" + "x" * 9000), 414, "uri_too_long")


SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"
MALFORMED = [
    b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello" + SMUGGLED,
    b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"transfer-encoding: chunked\x0b\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"content-length : 5\r\n\r\nhello" + SMUGGLED,
    b"content-length: -5\r\n\r\nhello" + SMUGGLED,
    b"content-length: 5x\r\n\r\nhello" + SMUGGLED,
    b"x: a\x00b\r\n\r\n",
    b"no colon\r\n\r\n",
]


@pytest.mark.parametrize("rest", MALFORMED)
async def test_a_malformed_head_is_a_400_and_the_connection_ends(tmp_path: Path, rest: bytes) -> None:
    async with world(tmp_path) as w:
        data = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode() + rest
        answer = await w.request(data)
        assert_refused(answer, 400)
        assert b"HTTP/1.1 200" not in answer.body  # nothing that followed was answered


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n\r\n", b"GET\r\n\r\n"])
async def test_what_is_no_http_is_a_400(tmp_path: Path, data: bytes) -> None:
    async with world(tmp_path) as w:
        assert_refused(await w.request(data), 400, "invalid_http")


async def test_an_unknown_path_is_a_404_and_a_wrong_method_a_405_with_what_is_allowed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert_refused(await w.get("/v1/nothing"), 404, "not_found")
        assert_refused(await w.get("/v2/models*"), 404, "not_found")
        answer = await w.get(CHAT)
        assert_refused(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "OPTIONS, POST"
        options = await w.get("/v1/models", method="OPTIONS")
        assert options.status == 200
        assert options.headers["allow"] == "GET, HEAD, OPTIONS"
        head = await w.get("/v1/models", method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert int(head.headers["content-length"]) > 0
        assert (await w.get("/nowhere", method="HEAD")).body == b""


async def test_a_connection_serves_one_request_after_another(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        one = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
        last = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        answer = await w.request(one * 2 + last)
        assert answer.body.count(b"HTTP/1.1 200") == 2


async def test_a_head_request_leaves_its_connection_good_for_the_next(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
        for method in (b"HEAD", b"GET"):
            writer.write(method + b" /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            async with asyncio.timeout(PATIENCE):
                assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.close()


async def test_what_is_unread_of_a_refused_requests_body_is_never_the_next_request(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        head = b"POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3000000\r\n\r\n"
        answer = await w.request(head + SMUGGLED * 50_000)
        assert answer.status == 404
        assert b"HTTP/1.1 200" not in answer.body


async def test_the_answers_to_pipelined_requests_come_in_order(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode()
        ask = head + b"content-length: %d\r\n\r\n" % len(GOOD) + GOOD
        last = b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        answer = await w.request(ask + ask + last)
        assert answer.status == 200
        assert answer.body.index(b"HTTP/1.1 200") < answer.body.index(b"HTTP/1.1 404")


async def test_a_body_that_stops_being_http_is_a_400(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        data = head.encode() + b"transfer-encoding: chunked\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
        writer.write(data + b'2\r\n{"\r\n')
        await until(lambda: "1 in flight" in repr(w.proxy.traffic))
        writer.write(b"zz\r\n")
        async with asyncio.timeout(PATIENCE):
            assert_refused(Raw.parse(await reader.read()), 400, "invalid_http")
        writer.close()


async def test_an_upgrade_that_nobody_offers_is_an_ordinary_request(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        answer = await upgrade(w)
        assert answer.status == 200


async def upgrade(w: World) -> Raw:
    headers = b"host: localhost\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n"
    return await w.request(b"GET /health HTTP/1.1\r\n" + headers + b"\r\n")


async def test_a_fault_of_ours_is_a_500_whose_text_stays_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret at /some/path")

    async with world(tmp_path) as w:
        monkeypatch.setattr("proxy.endpoints.models.describe", fail)
        answer = await w.get("/v1/models", "x-request-id: find-me")
        assert_refused(answer, 500, "server_error")
        assert b"secret" not in answer.body
        assert b"find-me" in answer.body
        assert "secret at /some/path" in caplog.text


async def test_a_trailer_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        data = head.encode() + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-trailer: "
        assert_refused(await w.request(data + b"x" * 1_000_000), 400, "invalid_http")


async def test_a_caller_of_an_older_http_gets_its_stream_to_the_connections_end(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        body = b'{"model":"small","stream":true}'
        head = f"POST {CHAT} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        answer = await w.request(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert "transfer-encoding" not in answer.headers
        assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_a_head_that_begins_behind_a_large_body_is_not_taken_for_a_large_head(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        body = b'{"model":"small","pad":"%b"}' % (b"x" * 200_000)
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode()
        one = head + b"content-length: %d\r\n\r\n" % len(body) + body
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
        writer.write(one + b"GET /health HTTP/1.1\r\nhost: local")
        async with asyncio.timeout(PATIENCE):
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"host\r\nconnection: close\r\n\r\n")
            assert b"HTTP/1.1 200" in await reader.read()
        writer.close()


async def test_more_pipelined_requests_than_are_read_ahead_are_all_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        one = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
        last = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        answer = await w.request(one * 100 + last)
        assert answer.body.count(b"HTTP/1.1 200") == 100
