"""Hazards C of the list, on a real socket: what a request makes the proxy fetch or decode, in every kind of part.

C2, C3, C5, C7 the fetcher, with a resolver and servers of the test's own   media/test_fetch.py
C8 to C11 the decoder                                                      media/test_decoder.py
C13 masks                                                                  tests/images/http/test_refusals.py
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from proxy.app import Proxy
from tests.proxy.media.pictures import chat, data_url, encoded, picture_part
from tests.proxy.media.test_decoder import claiming, others
from tests.proxy.media.test_urls import NO_NAME_OF_A_HOST
from tests.proxy.world import Raw, World, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"

KINDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "image_url": picture_part,
    "input_image": lambda url: {"type": "input_image", "image_url": url},
    "video_url": lambda url: {"type": "video_url", "video_url": {"url": url}},
    "audio_url": lambda url: {"type": "audio_url", "audio_url": {"url": url}},
    "file_url": lambda url: {"type": "input_file", "file_url": url},
    "source": lambda url: {"type": "image", "source": {"type": "url", "url": url}},
}
# What leads to this machine, with the canary's port in it.
TO_THIS_MACHINE = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://127.1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://pictures.example@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@pictures.example/",
    "http://127.0.0.1:{port}\\@pictures.example/",
    "http://pictures.example:{port}/",
    "http://mixed.example:{port}/",
    "http://mapped.example:{port}/",
    "http://nowhere.example:{port}/",
    "HTTP://LOCALHOST:{port}/",
]
NAMES: dict[str, Sequence[str]] = {
    "pictures.example": ["127.0.0.1"],
    "mixed.example": ["93.184.215.14", "127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nowhere.example": [],
}


@dataclass
class Canary:
    """A server that nobody may connect to."""

    port: int = 0
    connects: list[object] = field(default_factory=list)


@asynccontextmanager
async def canary() -> AsyncIterator[Canary]:
    made = Canary()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connects.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """Names lead where the test says."""
    async with world(tmp_path) as made:
        made.proxy.media._fetcher._resolve = resolve
        yield made


async def resolve(host: str) -> Sequence[str]:
    return NAMES[host]


def permit(proxy: Proxy, port: int) -> None:
    """The operator named these hosts, with the canary's port."""
    fetcher = proxy.media._fetcher
    hosts = frozenset({"*", *(f"{name}:{port}" for name in NAMES)})
    object.__setattr__(fetcher._limits, "hosts", hosts)


def assert_refused(answer: Raw, place: str = "messages[0].content[1].") -> None:
    assert answer.status == 400, answer.body
    error = json.loads(answer.body)["error"]
    assert (error["param"] or "").startswith(place)
    assert (error["type"], error["origin"]) == ("invalid_request_error", "proxy")
    for inside in ("127.0.0.1", "93.184", "Errno", "worker", "Traceback"):
        assert inside not in error["message"]


# C1, C2, C4


@pytest.mark.parametrize("kind", KINDS)
async def test_no_url_of_any_kind_of_part_makes_the_proxy_connect_to_this_machine(w: World, kind: str) -> None:
    path = "/v1/messages" if kind == "source" else CHAT
    async with canary() as bird:
        permit(w.proxy, bird.port)
        for url in (*(url.format(port=bird.port) for url in TO_THIS_MACHINE), *NO_NAME_OF_A_HOST):
            answer = await w.post(path, chat(KINDS[kind](url)))
            assert_refused(answer, "" if "\x00" in url else "messages[0].content[1].")
        assert bird.connects == []
        assert w.engine.seen.requests == []


async def test_an_address_in_a_text_is_a_text(w: World) -> None:
    async with canary() as bird:
        url = f"http://127.0.0.1:{bird.port}/a.png"
        text = f"![a]({url}) <img src='{url}'> {url} [x]: {url}"
        body = json.dumps({"model": "small", "messages": [{"role": "user", "content": text}]}).encode()
        assert (await w.post(CHAT, body)).status == 200
        assert w.engine.seen.requests[-1].body == body
        assert bird.connects == []


# C8, C9, C11, C15

BOMBS: dict[str, dict[str, Any]] = {
    "169 megapixels": picture_part(data_url(claiming(13_000, 13_000))),
    "400 megapixels": picture_part(data_url(claiming(20_000, 20_000))),
    "the most that a head can say": picture_part(data_url(claiming(2**31 - 1, 2**31 - 1))),
    "ten thousand frames": KINDS["video_url"]("data:video/jpeg;base64," + ",".join(["aGk="] * 10_000)),
    "a film": KINDS["video_url"](data_url(b"\0\0\0\x18ftypmp42" + bytes(1000), "video/mp4")),
    "a playlist": KINDS["video_url"](data_url(b"#EXTM3U\nfile:///etc/passwd\n", "application/x-mpegurl")),
    "a list of files to join": KINDS["video_url"]("concat:file:///etc/passwd|file:///etc/hosts"),
    "a page": picture_part("data:text/html;base64,PGI+"),
    "no base64": picture_part("data:image/png;base64,%%%"),
    "a cut picture": picture_part(data_url(encoded("JPEG", (200, 200))[:300], "image/jpeg")),
    **{f"{name}, as a PNG": picture_part(data_url(data)) for name, data in others().items()},
}


async def test_no_bomb_and_no_disguise_reaches_an_engine_and_the_next_picture_is_served(w: World) -> None:
    good = chat(picture_part(data_url(encoded())))
    assert (await w.post(CHAT, good)).status == 200
    before = psutil.Process().memory_info().rss
    for name, part in BOMBS.items():
        async with asyncio.timeout(5):
            answer = await w.post(CHAT, chat(part))
        assert answer.status == 400, name
        assert_refused(answer)
    assert len(w.engine.seen.requests) == 1
    assert psutil.Process().memory_info().rss - before < 64 * 2**20
    assert (await w.post(CHAT, good)).status == 200


async def test_many_bombs_at_once_are_refused_and_a_health_check_does_not_wait(w: World) -> None:
    body = chat(*(picture_part(data_url(claiming(20_000, 20_000))) for _ in range(20)))
    asked = [asyncio.create_task(w.post(CHAT, body)) for _ in range(20)]
    assert (await w.get("/health")).status == 200
    for answer in await asyncio.gather(*asked):
        assert answer.status in {400, 503}


# C17, C18


async def test_special_tokens_in_a_text_are_a_text(w: World) -> None:
    text = "<|image_pad|><|vision_start|><|im_end|></s><image>[IMG]<|endoftext|>" * 100
    body = json.dumps({"model": "small", "messages": [{"role": "user", "content": text}]}).encode()
    assert (await w.post(CHAT, body)).status == 200
    assert w.engine.seen.requests[-1].body == body


SCHEMAS: dict[str, dict[str, Any]] = {
    "a bad pattern": {"type": "object", "properties": {"a": {"type": "string", "pattern": "(((("}}},
    "a bomb of a pattern": {"type": "string", "pattern": "(a+)+$" * 50},
    "a schema of itself": {"$ref": "#", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    "an unknown type": {"type": "no type"},
    "words that parts have": {"properties": {"image_url": {"url": "http://127.0.0.1/"}, "source": {"type": "image"}}},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
@pytest.mark.parametrize("status", [200, 400])
async def test_the_schema_of_a_tool_is_the_engines_to_judge(w: World, schema: dict[str, Any], status: int) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    document = {"model": "small", "messages": [], "tools": [tool], "fake": {"status": status}}
    body = json.dumps(document | {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}})
    answer = await w.post(CHAT, body.encode())
    assert answer.status == status
    assert w.engine.seen.requests[-1].body == body.encode()
    assert (await w.get("/health")).status == 200
