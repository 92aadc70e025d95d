"""Who may ask: names, origins and the key, on every path."""

import re
from pathlib import Path

import openai
import pytest

from proxy.access.key import KeyFileError, read_key
from tests.proxy.world import world

pytestmark = pytest.mark.anyio

KEY = "a-key-of-many-characters"
EVERY = [
    "/v1/models",
    "/v1/nothing",
    "/admin/models",
    "/admin/events",
    "/health",
    "/ready",
    "/",
    "/static/x.js",
    "/odd",
]
GUARDED = ["/v1/models", "/v1/models/small", "/v1/nothing", "/v1", "/admin", "/admin/models", "/admin/events"]
NAMES = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil",
    "[::2]",
    "",
    "a b",
    "127.0.0.1:80:80",
    "192.168.1.5",
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_is_not_ours_is_refused_on_every_path(tmp_path: Path, name: str) -> None:
    async with world(tmp_path) as w:
        for path in EVERY:
            answer = await w.get(path, f"host: {name}")
            assert answer.status == (421 if name else 400)
            assert b'"error"' in answer.body


async def test_a_request_without_a_host_or_with_two_is_a_400(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert (await w.request(b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n")).status == 400
        assert (await w.get("/health", "host: localhost", "host: evil.example")).status == 400


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8080", "box.lan", "box.lan:443"])
async def test_loopback_and_the_names_of_the_settings_are_ours(tmp_path: Path, name: str) -> None:
    async with world(tmp_path, allowed_hosts=("box.lan",)) as w:
        assert (await w.get("/health", f"host: {name}")).status == 200


ORIGINS = [
    "null",
    "http://evil.example",
    "http://localhost.evil:8080",
    "https://localhost",
    "http://localhost:8081",
    "x",
]


@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_page_of_another_origin_is_refused(tmp_path: Path, origin: str) -> None:
    async with world(tmp_path) as w:
        for path in GUARDED:
            answer = await w.get(path, "host: localhost:8080", f"origin: {origin}")
            assert answer.status == 403
            assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_our_own_page_and_a_caller_without_an_origin_are_served(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert (await w.get("/v1/models", "host: localhost:8080", "origin: http://localhost:8080")).status == 200
        assert (await w.get("/v1/models")).status == 200


async def test_without_the_key_nothing_but_the_public_paths_answers(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    async with world(tmp_path, key_file=file) as w:
        for path in GUARDED:
            for headers in (
                [],
                ["authorization: Bearer wrong"],
                ["x-api-key: wrong"],
                [f"authorization: Basic {KEY}"],
            ):
                answer = await w.get(path, *headers)
                assert answer.status == 401
                assert b"invalid_api_key" in answer.body
        assert (await w.get(f"/v1/models?api_key={KEY}")).status == 401
        assert (await w.get("/health")).status == 200
        assert (await w.get("/ready")).status == 200


async def test_the_key_opens_what_it_guards(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    async with world(tmp_path, key_file=file) as w:
        client = w.client.with_options(api_key=KEY)
        assert len((await client.models.list()).data) == 3
        with pytest.raises(openai.AuthenticationError):
            await w.client.models.list()


@pytest.mark.parametrize("text", ["", "short", "two keys in one file", "schlüssel-mit-umlaut-ü"])
def test_a_key_file_that_holds_no_good_key_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(KeyFileError, match="secrets"):
        read_key(file)


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_key(tmp_path / "nowhere")


async def test_the_access_log_has_a_line_for_each_request_and_neither_prompt_nor_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    async with world(tmp_path, key_file=file) as w:
        body = b'{"model":"small","messages":[{"role":"user","content":"my secret prompt"}]}'
        await w.post("/v1/chat/completions?q=hidden", body, f"authorization: Bearer {KEY}", "x-request-id: one")
        await w.get("/v1/nothing%0aforged", f"authorization: Bearer {KEY}", "x-request-id: two")
    out = capsys.readouterr().out
    assert re.search(r"^POST /v1/chat/completions 200 \d+\.\dms one small -$", out, re.MULTILINE)
    assert re.search(r"^GET /v1/nothing%0aforged 404 \d+\.\dms two - not_found$", out, re.MULTILINE)
    for secret in (KEY, "secret prompt", "hidden", "fake-manager-token"):
        assert secret not in out
