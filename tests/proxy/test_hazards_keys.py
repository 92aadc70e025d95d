"""Hazards B of the list: keys, limits and owners, on a real socket. What stands in other files is not repeated here.

B1, B2 in part, B5, B6, B11, B12 in part, B13   test_keys.py, test_access.py, test_access_log.py
B7, B8                                          test_rate_limits.py, test_limits.py, test_sessions.py
B9 what was spent                               test_usage.py
"""

import asyncio
import json
import time
from bisect import bisect_right
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contract.states import ModelState
from proxy.access.sources import BAD_KEYS_PER_MINUTE
from tests.fakes.wide_engine import WideEngine
from tests.proxy.keyed import BODY, Keyed, Made, keyed
from tests.proxy.test_rate_limits import rush
from tests.proxy.world import Raw, until

pytestmark = pytest.mark.anyio
RESPONSES = "/v1/responses"


@pytest.fixture
async def k(tmp_path: Path) -> AsyncIterator[Keyed]:
    async with keyed(tmp_path) as made:
        yield made


# B1


async def test_a_key_counts_in_its_own_header_once_and_nowhere_else(k: Keyed) -> None:
    key = await k.make()
    text = key.text
    for headers in (
        [f"cookie: authorization=Bearer {text}; key={text}"],
        [f"x-api-key: Bearer {text}"],
        [f"x-api-key: {text}, {text}"],
        [f"x_api_key: {text}"],
        [f"api-key: {text}"],
        [f"proxy-authorization: Bearer {text}"],
        [f"authorization: Basic {text}"],
        [f"authorization: {text}"],
        [f"authorization: Bearer {text}, Bearer {text}"],
        [f"authorization: Bearer {text} {text}"],
        [f"authorization: Bearer\t{text}x"],
        [f"authorization_: Bearer {text}"],
    ):
        answer = await k.world.get("/v1/models", *headers)
        assert answer.status in {401, 429}, headers
        assert text.encode() not in answer.body
    twice = await k.world.get("/v1/models", key.header, key.header)
    assert twice.status == 400, "which of the two another server would believe is not to be known"
    for path in (f"/v1/models?key={text}", f"/v1/models?authorization=Bearer%20{text}", f"/v1/models/{text}"):
        assert (await k.world.get(path)).status in {401, 429}


# B5


def furthest(one: list[int], other: list[int]) -> float:
    """Kolmogorov's and Smirnov's measure: how far the two distributions stand apart, from 0 to 1."""
    one, other = sorted(one), sorted(other)
    return max(abs(bisect_right(one, at) / len(one) - bisect_right(other, at) / len(other)) for at in (*one, *other))


async def test_how_long_a_refusal_takes_on_the_wire_tells_nothing_of_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.company.BAD_KEYS_PER_MINUTE", 10**6)
    async with keyed(tmp_path) as k:
        secret = (await k.make()).text
        start = secret.rindex("-", 0, 20) + 1
        offers = [secret[: start + right].ljust(len(secret), ".") for right in (0, 31)]
        reader, writer = await asyncio.open_connection("127.0.0.1", k.world.port)
        times: tuple[list[int], list[int]] = ([], [])
        for _ in range(500):
            for offer, taken in zip(offers, times, strict=True):
                head = f"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {offer}\r\n\r\n".encode()
                began = time.perf_counter_ns()
                writer.write(head)
                told = await reader.readuntil(b"\r\n\r\n")
                taken.append(time.perf_counter_ns() - began)
                assert told.startswith(b"HTTP/1.1 401")
                await reader.readexactly(int(told.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        writer.close()
    assert furthest(*times) < 0.15, "of two alike it is more once in ten thousand times"


# B7


async def count_admitted(k: Keyed, rounds: int) -> set[tuple[int, int]]:
    seen = set()
    for _ in range(rounds):
        key = await k.make(limits={"requests_per_minute": 10})
        statuses = await rush(k, key, 100, BODY)
        seen.add((statuses.count(200), statuses.count(429)))
    return seen


async def test_however_often_a_hundred_rush_a_limit_of_ten_admits_ten(k: Keyed) -> None:
    assert await count_admitted(k, 9) == {(10, 90)}


@pytest.mark.long
async def test_ninety_nine_times_a_hundred_rush_and_ten_are_admitted(k: Keyed) -> None:
    assert await count_admitted(k, 99) == {(10, 90)}


# A4, of what the proxy itself reads


@pytest.mark.parametrize("number", ["0", "-1", "1.5", '"5"', "true", "1e999", "NaN", "9" * 5000, "1e3", "[]", "{}"])
async def test_a_limit_is_a_whole_number_over_0_and_nothing_that_could_be_read_as_one(k: Keyed, number: str) -> None:
    for field in ("requests_per_minute", "tokens_per_minute", "concurrent_requests"):
        body = f'{{"name":"x","limits":{{"{field}":{number}}}}}'.encode()
        answer = await k.world.post("/admin/keys", body, k.admin)
        assert answer.status == 400
    assert len(json.loads((await k.ask("GET", "/admin/keys")).body)["keys"]) == 1


@pytest.mark.parametrize("truth", ["0", "1", '"true"', '"false"', '""', "[]"])
async def test_nobody_becomes_an_admin_by_something_like_a_truth(k: Keyed, truth: str) -> None:
    answer = await k.world.post("/admin/keys", f'{{"name":"x","admin":{truth}}}'.encode(), k.admin)
    assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, "admin")


# B9


async def test_no_other_name_of_model_or_caller_is_another_allowance(k: Keyed) -> None:
    key = await k.make(limits={"requests_per_minute": 4})
    for name in (b"small", b"little", b"org/small:1"):
        assert (await k.chat(key, BODY.replace(b"small", name))).status == 200
    lies = ("x-forwarded-for: 10.0.0.9", "x-real-ip: 10.0.0.9", "forwarded: for=10.0.0.9", "x-user: another")
    assert (await k.world.post("/v1/completions", b'{"model":"small"}', key.header, *lies)).status == 200
    for header in (key.header, f"Authorization: bearer {key.text}"):
        answer = await k.world.post("/v1/chat/completions", BODY, header, *lies)
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) >= 1
    (used,) = await k.usage(key)
    assert (used["model"], used["requests"]) == ("small", 4)


async def test_what_is_refused_before_its_model_is_known_costs_nothing(k: Keyed) -> None:
    key = await k.make(limits={"requests_per_minute": 1, "tokens_per_minute": 100_000})
    for body in (b"{", b"[]", b'{"model":"nowhere"}', b'{"model":"small","api_base":"x"}', b'{"model":7}'):
        assert (await k.chat(key, body)).status in {400, 404}
    assert (await k.chat(key)).status == 200
    assert (await k.chat(key)).status == 429


# B10


@pytest.fixture
async def owners(k: Keyed) -> AsyncIterator[tuple[Keyed, WideEngine]]:
    """A model that remembers its responses, ready."""
    async with WideEngine() as engine:
        k.world.manager.endpoints["small"] = engine.url
        await k.world.manager.tell(k.world.manager.status("small", state=ModelState.READY))
        feed = k.world.proxy.feed
        await until(lambda: feed.directory is not None and feed.directory.statuses["small"].state is ModelState.READY)
        yield k, engine


async def respond(k: Keyed, key: Made, **fields: Any) -> Raw:  # noqa: ANN401
    body = json.dumps({"model": "small", "input": "a", **fields}).encode()
    return await k.world.post(RESPONSES, body, key.header)


@pytest.mark.parametrize("stream", [False, True])
async def test_another_owners_response_is_as_if_it_were_not(owners: tuple[Keyed, WideEngine], stream: bool) -> None:
    k, engine = owners
    ann, bob = await k.make(user="ann"), await k.make(user="bob")
    anns_other, nobodys = await k.make(user="ann"), await k.make()
    assert (await respond(k, ann, request_id="resp_ann", stream=stream)).status == 200
    asked = len(engine.requests)
    for other in (bob, nobodys):
        unknown = await k.world.get(f"{RESPONSES}/resp_none", other.header)
        for answer in (
            await k.world.get(f"{RESPONSES}/resp_ann", other.header),
            await k.world.get(f"{RESPONSES}/resp_ann?stream=true", other.header),
            await k.world.post(f"{RESPONSES}/resp_ann/cancel", b"", other.header),
            await respond(k, other, previous_response_id="resp_ann"),
        ):
            assert answer.status == unknown.status == 404
            told = json.loads(answer.body)["error"]
            assert told["message"].replace("resp_ann", "resp_none") == json.loads(unknown.body)["error"]["message"]
    assert len(engine.requests) == asked, "nothing of it reached the engine"
    assert (await k.world.get(f"{RESPONSES}/resp_ann", anns_other.header)).status == 200
    assert (await respond(k, ann, previous_response_id="resp_ann")).status == 200


async def test_no_tenant_ends_or_sees_a_key_and_its_own_id_opens_nothing(k: Keyed) -> None:
    ann, bob = await k.make(user="ann"), await k.make(user="bob")
    for key_id in (ann.id, bob.id, "file", "../keys", "%2e%2e"):
        answer = await k.world.get(f"/admin/keys/{key_id}", ann.header, method="DELETE")
        assert (answer.status, b"admin_key_required" in answer.body) == (403, True)
    assert (await k.chat(bob)).status == 200
    assert (await k.chat(ann)).status == 200


# B12


async def test_a_thousand_bad_keys_from_one_place_are_refused_fast_and_nobody_else_is(k: Keyed) -> None:
    key = await k.make()
    request = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer rh-%016x-guess\r\n\r\n"
    links = [await asyncio.open_connection("127.0.0.1", k.world.port) for _ in range(10)]
    statuses: list[int] = []

    async def guess(link: int) -> None:
        reader, writer = links[link]
        for number in range(100):
            writer.write(request % (link * 100 + number))
            head = await reader.readuntil(b"\r\n\r\n")
            statuses.append(int(head.split()[1]))
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)

    guessing = asyncio.gather(*map(guess, range(10)))
    took = []
    while not guessing.done():
        began = time.monotonic()
        assert (await k.chat(key)).status == 200
        took.append(time.monotonic() - began)
    await guessing
    for _, writer in links:
        writer.close()
    assert BAD_KEYS_PER_MINUTE <= statuses.count(401) <= BAD_KEYS_PER_MINUTE + 5, "what a few seconds give back"
    assert statuses.count(429) == 1000 - statuses.count(401)
    assert max(took) < 2.0
