"""Anthropic's clients: the headers that they send, and their shape of an error, whatever part of the proxy refuses."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from tests.proxy.keyed import ADMIN, BODY, CHAT, Keyed, keyed
from tests.proxy.world import PATIENCE, Raw, World, world

pytestmark = pytest.mark.anyio
MESSAGES = "/v1/messages"
ASKED = {"model": "small", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
BODY_ASKED = json.dumps(ASKED).encode()


def sent(key: str) -> dict[str, str]:
    """What Anthropic's SDK for Python sends with each request."""
    told = {"x-api-key": key, "anthropic-version": "2023-06-01", "user-agent": "Anthropic/Python 0.71.0"}
    return told | {"accept": "application/json", "x-stainless-lang": "python", "x-stainless-retry-count": "0"}


async def post(k: Keyed, path: str, headers: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=k.world.url, trust_env=False, timeout=PATIENCE) as client:
        return await client.post(path, json=ASKED, headers=headers)


async def test_a_key_is_taken_where_anthropics_clients_send_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(limits={"requests_per_minute": 3})
        statuses = [(await post(k, path, sent(key.text))).status_code for path in (CHAT, "/v1/embeddings", CHAT)]
        assert statuses == [200, 400, 200], "the model makes no embeddings"
        assert (await k.chat(key)).status == 200
        assert (await k.chat(key)).status == 429, "it is the same key, and the same allowance"
        assert [used["requests"] for used in await k.usage(key)] == [3]
        assert (await k.world.get("/v1/models", f"x-api-key: {key.text}")).status == 200
        assert (await k.world.get("/admin/keys", f"x-api-key: {key.text}")).status == 403
        assert (await k.world.get("/admin/keys", f"x-api-key: {ADMIN}")).status == 200
    told = capfd.readouterr()
    assert key.text not in told.out + told.err
    assert ADMIN not in told.out + told.err


async def test_two_headers_may_hold_one_key_and_never_two(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key, other = await k.make(), await k.make()
        for first, second, status in (
            (key.header, f"x-api-key: {key.text}", 200),
            (key.header.replace("Bearer", "bearer"), f"x-api-key: {key.text}", 200),
            (key.header, "x-api-key:", 200),
            (key.header, f"x-api-key: {other.text}", 400),
            ("authorization: Bearer wrong", f"x-api-key: {key.text}", 400),
            (key.header, "x-api-key: wrong", 400),
            (f"authorization: Basic {key.text}", f"x-api-key: {key.text}", 400),
            (f"x-api-key: {key.text}", f"x-api-key: {key.text}", 400),
            (f"x-api-key: {key.text}", f"x-api-key: {other.text}", 400),
            ("x-api-key: wrong", "accept: */*", 401),
            ("x-api-key:", "accept: */*", 401),
        ):
            answer = await k.world.post(CHAT, BODY, first, second)
            assert answer.status == status, (first, second)
            assert key.text.encode() not in answer.body


async def test_bad_keys_count_wherever_they_stand(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        statuses = [(await k.world.get("/v1/models", f"x-api-key: wrong-{number}")).status for number in range(40)]
        assert statuses.count(401) == 30
        assert statuses[-1] == 429


def kind_of(answer: Raw) -> str:
    """The error's type. The whole answer must be one that Anthropic's clients read, with our fields in it."""
    document = json.loads(answer.body)
    assert set(document) == {"type", "error"}
    assert document["type"] == "error"
    assert set(document["error"]) == {"message", "type", "param", "code", "origin"}
    kind: str = document["error"]["type"]
    return kind


@pytest.mark.parametrize("path", [MESSAGES, f"{MESSAGES}/count_tokens"])
async def test_what_keys_and_their_limits_refuse_is_told_as_anthropics_clients_expect(
    tmp_path: Path, path: str
) -> None:
    async with keyed(tmp_path) as k:
        once = await k.make(limits={"requests_per_minute": 1})
        assert (await k.chat(once)).status == 200
        scoped = await k.make(models=["large"])
        for headers, status, kind in (
            ((), 401, "authentication_error"),
            (("x-api-key: wrong",), 401, "authentication_error"),
            (("x-api-key: one", "authorization: Bearer two"), 400, "invalid_request_error"),
            ((scoped.header,), 403, "permission_error"),
            ((once.header,), 429, "rate_limit_error"),
        ):
            answer = await k.world.post(path, BODY_ASKED, *headers)
            assert (answer.status, kind_of(answer)) == (status, kind), headers
        for _ in range(31):
            last = await k.world.post(path, BODY_ASKED, "x-api-key: wrong")
        assert (last.status, kind_of(last)) == (429, "rate_limit_error")


async def test_what_guards_and_bounds_refuse_is_told_so_too(tmp_path: Path) -> None:
    async with world(tmp_path, body_size=1000, header_count=20, url_size=200) as w:
        for answer, status in (
            (await w.post(MESSAGES, BODY_ASKED, "origin: http://evil.example"), 403),
            (await w.get(MESSAGES), 405),
            (await w.get(f"{MESSAGES}/batches", method="POST"), 404),
            (await w.get(MESSAGES, "host: evil.example", method="POST"), 421),
            (await w.post(MESSAGES, b"x" * 2000), 413),
            (await w.post(MESSAGES, BODY_ASKED, "content-type: text/plain"), 415),
            (await w.post(MESSAGES, b"{"), 400),
            (await w.post(MESSAGES, BODY_ASKED, *(f"x-{number}: 1" for number in range(30))), 431),
            (await w.post(f"{MESSAGES}?{'x' * 300}", BODY_ASKED), 414),
        ):
            assert answer.status == status
            kind_of(answer)
        other = json.loads((await w.get("/v1/messagesx")).body)
        assert set(other) == {"error"}, "no other path's"
        w.proxy.traffic.draining = True
        assert kind_of(await w.post(MESSAGES, BODY_ASKED)) == "overloaded_error"
        w.proxy.traffic.draining = False


async def begin(w: World, text: str) -> Raw:
    """A request of which no more than this comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
    writer.write(text.replace("\n", "\r\n").encode())
    async with asyncio.timeout(PATIENCE):
        answer = Raw.parse(await reader.read())
    writer.close()
    return answer


async def test_what_comes_too_late_is_told_so_too(tmp_path: Path) -> None:
    head = f"POST {MESSAGES} HTTP/1.1\nhost: localhost\n"
    async with world(tmp_path, head_timeout=0.2, body_timeout=0.2) as w:
        for part in (head, f"{head}content-type: application/json\ncontent-length: 100\n\n{{"):
            answer = await begin(w, part)
            assert answer.status == 408
            kind_of(answer)
