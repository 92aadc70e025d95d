"""Keys on a real socket: made, listed, revoked, scoped, and what nobody gets without one."""

import asyncio
import base64
import json
import sqlite3
import statistics
import time
from hmac import compare_digest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from contract.keys import NO_LIMITS, KeyCreated
from proxy.access.keyring import Keyring
from proxy.access.keys import Key, digest_of, new_key, text_of
from proxy.access.paths import PUBLIC, PUBLIC_FOLDER
from proxy.access.sources import BAD_KEYS_PER_MINUTE
from tests.proxy.clock import Clock
from tests.proxy.keyed import ADMIN, BODY, CHAT, keyed
from tests.proxy.world import until, world

pytestmark = pytest.mark.anyio

FROZEN_PUBLIC = {"/", "/health", "/ready"}


def test_the_public_paths_are_these_and_no_more() -> None:
    assert PUBLIC == FROZEN_PUBLIC
    assert PUBLIC_FOLDER == "/static/"


async def test_every_route_with_every_method_wants_a_key_but_the_public_ones(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        paths = {route.path for route in k.world.proxy.routes}
        assert {CHAT, "/admin/keys", "/admin/keys/*", "/v1/models"} <= paths
        for path in sorted(paths | {"/odd", "/v1", "/admin", "//v1/models", "/V1/models", "/static", "/%2e/admin"}):
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"):
                answer = await k.world.get(path.replace("*", "x"), method=method)
                is_public = path in FROZEN_PUBLIC or path.startswith("/static/")
                assert (answer.status != 401) == is_public, f"{method} {path} -> {answer.status}"


async def test_a_name_of_another_host_does_not_open_a_guarded_path(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        for host in ("localhost/health?", "localhost/health#", "evil/health", "localhost:8080/static/"):
            assert (await k.world.get("/v1/models", f"host: {host}")).status in {400, 421}


async def test_a_key_that_was_made_opens_the_interface_and_not_the_control(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(name="laptop", user="ann")
        assert (await k.chat(key)).status == 200
        assert len((await k.sdk(key).models.list()).data) == 3
        for path in ("/admin/keys", "/admin/models", "/admin/events", "/admin", "/metrics"):
            answer = await k.world.get(path, key.header)
            assert (answer.status, b"admin_key_required" in answer.body) == (403, True)
        admin = await k.make(admin=True)
        assert (await k.world.get("/admin/keys", admin.header)).status == 200


async def test_the_list_tells_everything_but_the_secret(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(name="laptop", user="ann", limits={"requests_per_minute": 5}, user_limits={})
        answer = await k.ask("GET", "/admin/keys")
        first, info = json.loads(answer.body)["keys"]
        assert (first["id"], first["admin"]) == ("file", True)
        assert (info["id"], info["name"], info["user"], info["revoked"]) == (key.id, "laptop", "ann", None)
        assert info["limits"]["requests_per_minute"] == 5
        secret = key.text.split("-", 2)[2]
        assert secret.encode() not in answer.body
        assert ADMIN.encode() not in answer.body
        assert answer.headers["cache-control"] == "no-store"


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("keys.sqlite3*"))


async def test_neither_a_key_nor_a_prompt_is_in_the_store_the_log_or_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(name="canary")
        secret = key.text.split("-", 2)[2]
        await k.chat(key, BODY.replace(b"hi", b"canary prompt"))
        errors = await k.chat(key, b'{"model":"nowhere"}'), await k.world.get("/v1/models", key.header + "x")
        await k.ask("DELETE", f"/admin/keys/{key.id}")
        metrics = await k.ask("GET", "/metrics")
    kept = everything_in(tmp_path)
    out = capsys.readouterr()
    for place in (kept, out.out.encode(), out.err.encode(), metrics.body, *(error.body for error in errors)):
        assert secret.encode() not in place
        assert b"canary prompt" not in place
    assert oct((tmp_path / "keys.sqlite3").stat().st_mode & 0o777) == "0o600"


async def test_a_revoked_key_begins_nothing_more_and_what_it_has_in_flight_finishes(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        client = k.sdk(key)
        stream = await client.chat.completions.create(
            model="small", messages=[], stream=True, extra_body={"fake": {"tokens": 4, "delay": 0.2}}
        )
        began = time.monotonic()
        assert (await k.ask("DELETE", f"/admin/keys/{key.id}")).status == 200
        assert (await k.chat(key)).status == 401
        assert time.monotonic() - began < 1
        assert len([chunk async for chunk in stream]) == 4
        assert (await k.ask("DELETE", f"/admin/keys/{key.id}")).status == 200
        assert (await k.ask("DELETE", "/admin/keys/nowhere")).status == 404


async def test_another_worker_knows_of_a_new_key_and_of_its_end_within_a_second(tmp_path: Path) -> None:
    async with keyed(tmp_path) as one, world(tmp_path, key_file=tmp_path / "key") as other:
        key = await one.make()
        began = time.monotonic()
        while (await other.get("/v1/models", key.header)).status != 200:
            await asyncio.sleep(0.02)
        assert time.monotonic() - began < 1
        await one.ask("DELETE", f"/admin/keys/{key.id}")
        began = time.monotonic()
        while (await other.get("/v1/models", key.header)).status != 401:
            await asyncio.sleep(0.02)
        assert time.monotonic() - began < 1


async def test_keys_outlive_the_proxy_and_what_they_used_does_too(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        await k.chat(key)
    async with keyed(tmp_path) as k:
        assert (await k.chat(key)).status == 200
        assert [used["requests"] for used in await k.usage(key)] == [2]


async def test_a_key_is_scoped_to_its_models_whatever_name_they_are_asked_by(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make(models=["little"])  # an alias of small
        for name, status in (("small", 200), ("little", 200), ("org/small:1", 200), ("large", 403), ("SMALL", 404)):
            assert (await k.chat(key, BODY.replace(b"small", name.encode()))).status == status
        listed = await k.sdk(key).models.list()
        assert [model.id for model in listed.data] == ["small"]
        assert (await k.world.get("/v1/models/large", key.header)).status == 404
        assert (await k.ask("POST", "/admin/keys", {"name": "x", "models": ["nowhere"]})).status == 404


WRONG = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "a", "limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
    ({"name": "a", "limits": {"requests_per_minute": -1}}, "limits.requests_per_minute"),
    ({"name": "a", "secret": "mine"}, "secret"),
    ({"name": "a", "models": "small"}, "models"),
    ([], None),
]


@pytest.mark.parametrize(("wish", "param"), WRONG)
async def test_a_wish_that_makes_no_sense_is_a_400_that_names_the_field(
    tmp_path: Path, wish: object, param: str | None
) -> None:
    async with keyed(tmp_path) as k:
        answer = await k.ask("POST", "/admin/keys", wish)
        assert answer.status == 400
        assert json.loads(answer.body)["error"]["param"] == param


async def test_a_form_of_another_page_makes_no_key(tmp_path: Path) -> None:
    async with world(tmp_path) as w:  # on loopback, where nobody needs a key yet
        body = b'{"name":"x","admin":true}'
        assert (await w.post("/admin/keys", body, "content-type: text/plain")).status == 415
        assert (await w.post("/admin/keys", body, "origin: http://evil.example")).status == 403
        assert (await w.get("/v1/models")).status == 200


async def test_without_a_key_file_the_first_key_is_an_admins_and_from_then_on_everybody_needs_one(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        assert (await w.get("/v1/models")).status == 200
        assert (await w.post("/admin/keys", b'{"name":"plain"}')).status == 409
        created = json.loads((await w.post("/admin/keys", b'{"name":"root","admin":true}')).body)
        header = f"authorization: Bearer {created['key']}"
        assert (await w.get("/v1/models")).status == 401
        assert (await w.get("/v1/models", header)).status == 200
        refused = await w.get(f"/admin/keys/{created['id']}", header, method="DELETE")
        assert (refused.status, b"admin_key_required" in refused.body) == (409, True)
        assert (await w.get("/admin/keys", header)).status == 200
    async with world(tmp_path) as w:
        assert (await w.get("/v1/models")).status == 401


async def test_many_bad_keys_of_one_source_are_told_to_wait_and_nobody_else_is(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        seen = [await k.world.get("/v1/models", "authorization: Bearer wrong") for _ in range(BAD_KEYS_PER_MINUTE + 5)]
        assert [answer.status for answer in seen] == [401] * BAD_KEYS_PER_MINUTE + [429] * 5
        assert int(seen[-1].headers["retry-after"]) >= 1
        assert b"rate_limit_exceeded" in seen[-1].body
        lied = await k.world.get("/v1/models", "authorization: Bearer wrong", "x-forwarded-for: 10.1.2.3")
        assert lied.status == 429
        assert (await k.chat(key)).status == 200  # nobody guesses these
        assert (await k.ask("GET", "/admin/keys")).status == 429  # the file's might be guessed
        reader, writer = await asyncio.open_connection("127.0.0.1", k.world.port, local_addr=("127.0.0.2", 0))
        writer.write(f"GET /admin/keys HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{k.admin}\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_store_that_cannot_be_written_makes_no_key_and_says_so(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        other = sqlite3.connect(k.store, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for method, path, wish in (("POST", "/admin/keys", {"name": "x"}), ("DELETE", f"/admin/keys/{key.id}", None)):
            answer = await k.ask(method, path, wish)
            assert (answer.status, b"keys_unavailable" in answer.body) == (503, True)
            assert answer.headers["retry-after"] == "2"
        other.close()
        assert (await k.chat(key)).status == 200
        assert (await k.ask("DELETE", f"/admin/keys/{key.id}")).status == 200


async def test_where_the_store_cannot_be_read_its_keys_are_not_admitted_and_the_key_files_is(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        hidden = tmp_path / "hidden"
        k.store.rename(hidden)
        async with asyncio.timeout(5):
            while (await k.chat(key)).status != 503:
                await asyncio.sleep(0.02)
        assert (await k.world.get("/v1/models", "authorization: Bearer rh-0-0")).status == 503
        assert (await k.world.get("/v1/models", k.admin)).status == 200
        assert (await k.ask("POST", "/admin/keys", {"name": "x"})).status == 503
        hidden.rename(k.store)
        async with asyncio.timeout(5):
            while (await k.chat(key)).status != 200:
                await asyncio.sleep(0.02)


async def test_a_damaged_store_lets_nobody_in_and_the_proxy_starts_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "keys.sqlite3").write_bytes(b"no database at all" * 1000)
    async with world(tmp_path) as w:
        assert (await w.get("/v1/models")).status == 401
        assert (await w.get("/v1/models", "authorization: Bearer rh-0-0")).status == 503
        assert (await w.get("/health")).status == 200


async def test_no_file_is_made_before_there_is_something_to_keep(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.chat()
        assert json.loads((await w.get("/admin/keys")).body) == {"keys": []}
        await until(lambda: w.proxy.feed.directory is not None)
    assert not (tmp_path / "keys.sqlite3").exists()


OFFERS = {
    "an id that is not": "Bearer rh-0123456789abcdef-{secret}",
    "another secret": "Bearer rh-{id}-wrong",
    "all but the last letter right": "Bearer rh-{id}-{short}",
    "none of our form": "Bearer {secret}",
    "another scheme": "Basic rh-{id}-{secret}",
    "no scheme": "rh-{id}-{secret}",
    "nothing": "",
    "very much": "Bearer rh-{id}-{secret}" + "x" * 60_000,
}


def ring_of_one() -> tuple[Keyring, dict[str, str]]:
    key_id, secret = new_key()
    ring = Keyring(None, Clock())
    key = Key(key_id, digest_of(secret.encode()), "one", None, False, None, NO_LIMITS)
    ring.take([key], {}, ever=True)
    return ring, {"id": key_id, "secret": secret, "short": secret[:-1]}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_schemes_name_is_read_in_any_case(scheme: str) -> None:
    ring, words = ring_of_one()
    assert ring.find(f"{scheme} rh-{words['id']}-{words['secret']}".encode()) is not None


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())
def test_whatever_is_wrong_two_digests_are_compared_in_constant_time(offer: str) -> None:
    ring, words = ring_of_one()
    with patch("proxy.access.keyring.compare_digest", side_effect=compare_digest) as compared:
        assert ring.find(offer.format(**words).encode()) is None
        assert ring.find(b"bearer rh-%b-%b" % (words["id"].encode(), words["secret"].encode())) is not None
    assert [tuple(map(len, call.args)) for call in compared.call_args_list] == [(32, 32), (32, 32)]


def test_how_long_a_refusal_takes_tells_nothing_of_the_secret() -> None:
    ring, words = ring_of_one()
    secret = words["secret"]
    offers = [f"Bearer rh-{words['id']}-{secret[:right].ljust(len(secret), '.')}".encode() for right in (0, 31)]
    times: tuple[list[int], list[int]] = ([], [])
    for _ in range(4000):
        for offer, taken in zip(offers, times, strict=True):
            began = time.perf_counter_ns()
            ring.find(offer)
            taken.append(time.perf_counter_ns() - began)
    none, most = (statistics.median(taken) for taken in times)
    assert none == pytest.approx(most, rel=0.2)


def test_a_secret_has_256_bits_and_is_not_kept() -> None:
    key_id, secret = new_key()
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32
    assert secret not in repr(Key(key_id, digest_of(secret.encode()), "one", None, False, None, NO_LIMITS))
    assert "rh-" not in repr(KeyCreated(key=text_of(key_id, secret), **INFO))


INFO: dict[str, Any] = {"id": "1", "name": "one", "user": None, "admin": False, "models": None, "created": 0}
INFO |= {"revoked": None, "limits": NO_LIMITS, "user_limits": NO_LIMITS}
