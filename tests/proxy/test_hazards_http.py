"""Hazards A of the list: HTTP and JSON, on a real socket. What stands in other files is not repeated here.

A1, A2, A3, A7, A8 (heads, counts, URLs), A11, A15   test_http_bounds.py
A2 exactly, A13 field by field                       test_peek.py
A10                                                  test_images_forms.py
A17                                                  test_schemathesis.py
"""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from proxy.gateway.peeked import DENIED
from tests.proxy.process import serving, status_of
from tests.proxy.test_http_bounds import assert_refused
from tests.proxy.world import PATIENCE, Raw, World, until, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
GOOD = b'{"model":"small"}'
HEAD = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode()
LEAK = re.compile(rb"traceback|\.py\b|/tmp/|/home/|0x[0-9a-f]{8}|127\.0\.0\.1:\d", re.IGNORECASE)
HEALTHY = 0.25  # seconds


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """Afterwards the oracle of all hazards: alive, quick, and nothing left behind."""
    async with world(tmp_path) as made:
        yield made
        began = time.monotonic()
        assert (await made.get("/health")).status == 200
        assert time.monotonic() - began < 4 * HEALTHY, "the machine is shared: four times what is promised"
        await until(lambda: "<Traffic 0 in flight>" in repr(made.proxy.traffic))
        await until(lambda: all(load.in_flight == load.waiting == 0 for load in (x.load for x in made.proxy.leases)))


def assert_told(answer: Raw, status: int) -> None:
    assert answer.status == status
    assert set(json.loads(answer.body)["error"]) == {"message", "type", "param", "code", "origin"}
    assert not LEAK.search(answer.body), answer.body


# A2


@pytest.mark.parametrize("depth", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000])
async def test_a_deep_body_is_refused_within_a_second(w: World, depth: str) -> None:
    began = time.monotonic()
    assert_told(await w.post(CHAT, b'{"model":"small","messages":%b}' % depth.encode()), 400)
    assert time.monotonic() - began < 1


# A3


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\\ud800", b"\\udc00\\ud800", b"\\u0000", b"\0"],
)
@pytest.mark.parametrize("place", [b'{"model":"%b"}', b'{"model":"small","messages":[{"content":"%b"}]}', b'{"%b":1}'])
async def test_what_is_no_text_is_a_400_wherever_it_stands(w: World, text: bytes, place: bytes) -> None:
    assert_told(await w.post(CHAT, place % text), 400)
    assert w.engine.seen.requests == []


# A4

NUMERIC = ("temperature", "max_tokens", "max_completion_tokens", "n", "seed", "top_p", "logprobs", "ttl", "keep_alive")
NOT_JSON = ("NaN", "Infinity", "-Infinity", "0x10", "01", "+1", "1.", ".5", "1e", "--1", "1_000")
ODD = ("1e999", "-0", "1" * 4000, "true", "-1", "1e-400", "1.5", '"5"', "[]", "{}", "null")


@pytest.mark.parametrize("field", NUMERIC)
async def test_a_number_that_json_does_not_have_is_a_400_in_every_numeric_field(w: World, field: str) -> None:
    for value in NOT_JSON:
        assert_told(await w.post(CHAT, f'{{"model":"small","{field}":{value}}}'.encode()), 400)
    assert w.engine.seen.requests == []


@pytest.mark.parametrize("field", NUMERIC)
async def test_an_odd_number_is_refused_or_left_to_the_engine_as_it_is(w: World, field: str) -> None:
    for value in ODD:
        body = f'{{"model":"small","{field}":{value}}}'.encode()
        answer = await w.post(CHAT, body)
        if answer.status != 200:
            assert_told(answer, 400)
            assert json.loads(answer.body)["error"]["param"] == field
        elif field not in {"ttl", "keep_alive"}:
            assert w.engine.seen.requests[-1].body == body


@pytest.mark.parametrize("field", ["stream", "model", "ttl", "keep_alive"])
async def test_what_the_proxy_reads_itself_has_its_type(w: World, field: str) -> None:
    wrong = {"stream": ("1", "0", '"true"', "[]"), "model": ("1", "true", "[]", "{}")}
    for value in wrong.get(field, ("true", "[]", "{}", "1e999", "1" * 5000)):
        answer = await w.post(CHAT, f'{{"{field}":{value}}}'.encode())
        assert_told(answer, 400)
        assert json.loads(answer.body)["error"]["param"] == field


# A5

SMUGGLED = b"GET /v1/models?smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"
OBFUSCATED = [
    b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"transfer-encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    b"transfer-encoding: identity, chunked, identity\r\n\r\n0\r\n\r\n",
    b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    b"transfer-encoding\x0b: chunked\r\n\r\n0\r\n\r\n",
    b" transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"x: y\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"content-length: 0\r\ncontent-length: 5\r\n\r\n",
    b"content-length: 0, 5\r\n\r\n",
    b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
    b"transfer-encoding: Chunked, identity\r\n\r\n0\r\n\r\n",
    b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"content-length: 2\r\ntransfer-encoding: identity\r\n\r\n{}",
    b"content-length: +0\r\n\r\n",
    b"content-length: 0x0\r\n\r\n",
    b"content-length: 99999999999999999999999\r\n\r\n",
    b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n",
    b"transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    b"transfer-encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n",
    b"transfer-encoding: chunked\r\n\r\n2\r\n{}X\r\n0\r\n\r\n",
    b"transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    b"x: a\rb\r\n\r\n",
]


@pytest.mark.parametrize("rest", OBFUSCATED)
async def test_a_head_that_two_servers_may_read_in_two_ways_ends_its_connection(
    w: World, rest: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await w.request(HEAD + rest + SMUGGLED)
    assert_told(answer, 400)
    assert answer.headers["connection"] == "close"
    assert b"HTTP/1.1 200" not in answer.body
    await asyncio.sleep(0)
    w.proxy.front.records.flush()
    assert "/v1/models" not in capsys.readouterr().out, "what followed reached no handler"


async def test_lines_that_end_without_a_carriage_return_smuggle_nothing(w: World) -> None:
    answer = await w.request(HEAD.replace(b"\r\n", b"\n") + b"content-length: 0\n\n" + SMUGGLED)
    assert answer.status == 400
    assert b"HTTP/1.1 200" not in answer.body


async def test_a_chunk_extension_of_a_megabyte_is_no_part_of_the_body_and_costs_no_memory(w: World) -> None:
    extension = b";x=" + b"y" * 2**20
    data = HEAD + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    answer = await w.request(data + b"11" + extension + b"\r\n" + GOOD + b"\r\n0\r\n\r\n")
    assert answer.status in {200, 400}
    if answer.status == 200:
        assert w.engine.seen.requests[0].body == GOOD


# A7, A14


async def test_a_prompt_of_a_hundred_megabytes_is_refused_before_it_is_read(w: World) -> None:
    answer = await w.request(HEAD + b"content-length: 104857600\r\n\r\n" + b'{"messages":"')
    assert_told(answer, 413)


@pytest.mark.parametrize(
    "more",
    [
        f'"stop":{json.dumps(["x"] * 10_000)}',
        f'"messages":{json.dumps([{"role": "user", "content": "x"}] * 100_000)}',
        '"n":1000000000,"max_tokens":-1,"seed":1180591620717411303424',
        '"max_tokens":1000000000000',
    ],
    ids=["stops", "messages", "n", "tokens"],
)
async def test_what_only_the_engine_can_judge_reaches_it_untouched_and_its_refusal_comes_back(
    w: World, more: str
) -> None:
    body = f'{{"model":"small",{more},"fake":{{"status":400}}}}'.encode()
    answer = await w.post(CHAT, body)
    assert_told(answer, 400)
    assert json.loads(answer.body)["error"]["origin"] == "engine"
    assert w.engine.seen.requests[0].body == body


# A8


async def test_giant_heads_are_refused_and_leave_no_memory_behind(tmp_path: Path) -> None:
    async with serving(tmp_path) as (started, port, _):
        process = psutil.Process(started.pid)
        for data, status in (
            (b"GET /health HTTP/1.1\r\nx: " + b"y" * (20 * 2**20), b" 431 "),
            (b"GET /" + b"y" * 2**20 + b" HTTP/1.1\r\n\r\n", b" 414 "),
            (b"GET /health HTTP/1.1\r\n" + b"x: y\r\n" * 50_000 + b"\r\n", b" 431 "),
        ):
            await flood(port, data)  # what is needed once is there now
            before = process.memory_info().rss
            assert status in await flood(port, data)
            assert process.memory_info().rss - before < 5 * 2**20
        assert await status_of(port, "/health") == 200


async def flood(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.readuntil(b"\r\n")
    writer.transport.abort()
    return answer


# A11


@pytest.mark.parametrize(
    "kind",
    [
        b"",
        b"content-type: \r\n",
        b"content-type: text/plain\r\n",
        b"content-type: application/x-www-form-urlencoded\r\n",
        b"content-type: application/json; charset=utf-16\r\n",
        b"content-type: application/json; charset=latin-1\r\n",
        b"content-type: application/jsonp\r\n",
        b"content-type: text/json\r\n",
        b"content-type: multipart/form-data; boundary=x\r\n",
    ],
)
async def test_a_body_that_does_not_say_it_is_json_is_a_415_and_is_not_echoed(w: World, kind: bytes) -> None:
    body = b'{"model":"small","messages":"canary"}'
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n".encode()
    answer = await w.request(head + kind + b"\r\n" + body)
    assert_told(answer, 415)
    assert b"canary" not in answer.body
    assert w.engine.seen.requests == []


# A13


@pytest.mark.parametrize("field", DENIED)
async def test_a_field_that_reaches_into_the_engine_never_leaves_the_proxy(w: World, field: str) -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in field)
    for name in (field, escaped):
        for path in (CHAT, "/v1/completions"):
            answer = await w.post(path, f'{{"model":"small","{name}":"x"}}'.encode())
            assert_told(answer, 400)
            assert json.loads(answer.body)["error"]["param"] == field
    twice = await w.post(CHAT, f'{{"model":"small","{field}":"x","{field}":null}}'.encode())
    assert twice.status == 400
    assert w.engine.seen.requests == []


# A15


async def test_every_route_answers_methods_it_does_not_have_with_a_405_and_options_with_what_it_has(w: World) -> None:
    declared = {(route.method, route.path) for route in w.proxy.routes}
    for route in w.proxy.routes:
        path = route.path.replace("*", "x")
        for method in {"PUT", "PATCH", "TRACE", "CONNECTS"} - {each for each, at in declared if at == route.path}:
            answer = await w.get(path, method=method)
            assert answer.status in {400, 404, 405}, (method, path)
            assert not LEAK.search(answer.body)
        options = await w.get(path, method="OPTIONS")
        assert options.status in {200, 404}, path
        assert options.status == 404 or route.rest or route.method in options.headers["allow"]


BELOW = {
    "/v1/artifacts/a": "DELETE, GET, HEAD, OPTIONS",
    "/v1/artifacts/a/content": "GET, HEAD, OPTIONS",
    "/v1/artifacts/a/thumbnail": "GET, HEAD, OPTIONS",
    "/v1/artifacts/a/reproduce": "OPTIONS, POST",
    "/v1/artifacts/export": "GET, HEAD, OPTIONS",
    "/v1/files/a": "DELETE, GET, HEAD, OPTIONS",
    "/v1/files/a/content": "GET, HEAD, OPTIONS",
    "/v1/uploads/a": "GET, HEAD, OPTIONS",
    "/v1/uploads/a/parts": "OPTIONS, POST",
    "/v1/videos/a": "DELETE, GET, HEAD, OPTIONS",
    "/v1/videos/a/content": "GET, HEAD, OPTIONS",
    "/v1/videos/a/remix": "OPTIONS, POST",
    "/v1/jobs/a": "DELETE, GET, HEAD, OPTIONS",
    "/v1/responses/a": "GET, HEAD, OPTIONS",
    "/v1/responses/a/cancel": "OPTIONS, POST",
    "/admin/models/a": "GET, HEAD, OPTIONS",
    "/admin/models/org/a:1/logs": "GET, HEAD, OPTIONS",
    "/admin/models/org/a:1/load": "OPTIONS, POST",
}


async def test_what_is_below_a_path_names_the_methods_that_are_there_and_no_other_is_taken(w: World) -> None:
    for route in w.proxy.routes:
        there = re.compile(re.escape(route.path.removesuffix("*")) + route.rest)
        found = (route.method in allowed for path, allowed in BELOW.items() if there.fullmatch(path))
        assert not route.rest or any(found), f"{route.method} {route.path} is not in the table"
    for path, allowed in BELOW.items():
        assert (await w.get(path, method="OPTIONS")).headers["allow"] == allowed, path
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(allowed.split(", ")):
            answer = await w.get(path, "content-length: 0", method=method)
            assert (answer.status, answer.headers["allow"]) == (405, allowed), (method, path)
    for path in ("/v1/artifacts/a/nothing", "/v1/files/a/b/content", "/v1/uploads/", "/v1/videos/a/", "/v1/jobs/a/b"):
        for method in ("GET", "OPTIONS", "DELETE"):
            assert (await w.get(path, method=method)).status == 404, (method, path)


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/v1/models/none", "/admin/nothing", "/x", "//", "/v1/../v1/models", "/%00"]
)
async def test_what_is_not_there_is_a_404_in_the_openai_shape(w: World, path: str) -> None:
    assert_told(await w.get(path), 404)


# A16


async def test_two_hundred_slow_callers_of_every_kind_are_let_go_and_nobody_waits_for_them(tmp_path: Path) -> None:
    limits = {"head_timeout": 0.6, "body_timeout": 0.6, "write_timeout": 0.6}
    async with world(tmp_path, **limits) as w:
        slow = [await send(w.port, b"POST / HTTP/1.1\r\nx: ") for _ in range(80)]
        slow += [await send(w.port, HEAD + b"content-length: 100\r\n\r\n{") for _ in range(80)]
        full = b'{"model":"small","stream":true,"fake":{"tokens":1000,"garbage":"data: %b\\n\\n"}}' % (b"x" * 50_000)
        slow += [await send(w.port, HEAD + b"content-length: %d\r\n\r\n" % len(full) + full) for _ in range(40)]
        began = time.monotonic()
        assert (await w.post(CHAT, GOOD)).status == 200
        assert (await w.get("/health")).status == 200
        assert time.monotonic() - began < 5
        await until(lambda: len(w.server.server_state.connections) == 0, seconds=30)
        assert "<Traffic 0 in flight>" in repr(w.proxy.traffic)
        for caller in slow:
            caller.close()


async def send(port: int, data: bytes) -> socket.socket:
    """A caller that sends and never reads: with the smallest window there is."""
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    caller.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(caller, ("127.0.0.1", port))
    await loop.sock_sendall(caller, data)
    return caller


async def test_a_refusal_of_a_bad_head_has_the_proxys_origin_and_shape(w: World) -> None:
    assert_refused(await w.request(b"\0\0\0\r\n\r\n"), 400, "invalid_http")
