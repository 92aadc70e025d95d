"""Hazards G of the list: streams and leaving. What stands in other files is not repeated here.

G1 the engine's side         test_leaving.py
G3, G4 the usual garbage, G5 test_engine_faults.py, test_images_faults.py
G7                           test_draining.py
"""

import asyncio
import gc
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from contract.lease import Queued
from tests.proxy.process import serving, status_of
from tests.proxy.scraped import Scrape
from tests.proxy.test_leaving import head_of
from tests.proxy.world import PATIENCE, Raw, World, until, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"


async def ask(w: World, stream: bool, **fake: Any) -> Raw:  # noqa: ANN401
    return await w.post(CHAT, json.dumps({"model": "small", "stream": stream, "fake": fake}).encode())


def error_of(answer: Raw) -> dict[str, str]:
    """The error of an answer, or of its last event."""
    text = answer.body.decode("latin-1")
    document: dict[str, dict[str, str]] = json.loads(
        text[text.rindex('{"error"') :].partition("\n\n")[0].strip("\r\n0")
    )
    return document["error"]


# G1


async def queued(w: World) -> bytes:
    return b'{"model":"large"}'


async def before_the_first_token(w: World) -> bytes:
    return b'{"model":"small","stream":true,"fake":{"hang_after":0}}'


async def in_a_stream(w: World) -> bytes:
    return b'{"model":"small","stream":true,"fake":{"hang_after":2}}'


async def while_it_is_made(w: World) -> bytes:
    return b'{"model":"small","fake":{"hang_before_head":true}}'


WINDOWS = [queued, before_the_first_token, in_a_stream, while_it_is_made]


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.__name__)
async def test_who_leaves_is_a_499_in_the_log_and_holds_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], window: Callable[[World], Awaitable[bytes]]
) -> None:
    async with world(tmp_path) as w:
        body = await window(w)
        _, writer = await asyncio.open_connection("127.0.0.1", w.port)
        writer.write(head_of(body) + body)
        if window is queued:
            await (await w.manager.lease()).send(Queued(position=1))
            await until(lambda: "1 waiting" in repr(w.proxy.leases))
        else:
            async with asyncio.timeout(PATIENCE):
                await w.engine.seen.arrived.wait()
        writer.close()
        await until(lambda: "<Traffic 0 in flight>" in repr(w.proxy.traffic), seconds=1.0 + PATIENCE / 2)
        seen = Scrape.read((await w.get("/metrics")).body)
        model = "large" if window is queued else "small"
        name = "gen_ai_client_operation_duration_seconds_count"
        assert seen.value(name, gen_ai_request_model=model, error_type="499") == 1
        assert seen.value("roundhouse_model_requests_in_flight") == 0
        assert seen.value("roundhouse_model_requests_waiting") == 0
        w.proxy.front.records.flush()
        assert f" {model} client_left" in capsys.readouterr().out


# G3


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_death_is_told_once_without_done_and_logged_as_a_502(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    async with world(tmp_path) as w:
        answer = await ask(w, True, die_after=count)
        assert b"[DONE]" not in answer.body
        assert answer.body.count(b'{"error"') == 1
        assert error_of(answer)["code"] == "engine_error"
        assert answer.status == (200 if count else 502)
        w.proxy.front.records.flush()
        assert " 502 " in capsys.readouterr().out


# G4

EVENT = "data: {}\n\n"
CHUNKED = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(text: str) -> str:
    return f"{len(text):x}\r\n{text}\r\n"


ANSWERS = {
    "a head without end": "HTTP/1.1 200 OK\r\nx: " + "y" * 100_000,
    "two statuses": "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n",
    "a length that lies": "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{}",
    "length and chunks": "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk": CHUNKED + "zz\r\n",
    "a negative chunk": CHUNKED + "-5\r\n",
    "a status of words": "HTTP/1.1 OK 200\r\n\r\n",
    "an older protocol": "HTTP/0.9 200 OK\r\n\r\n",
    "another protocol": "220 mail ready\r\n",
    "a page": "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
    "nothing": "HTTP/1.1 204 No Content\r\n\r\n",
    "a redirect": "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    "a traceback": "HTTP/1.1 500 X\r\ncontent-type: text/plain\r\ncontent-length: 26\r\n\r\nTraceback (most recent...)",
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("raw", ANSWERS.values(), ids=ANSWERS.keys())
async def test_whatever_an_engine_sends_is_a_502_with_nothing_of_it_inside(
    tmp_path: Path, raw: str, stream: bool
) -> None:
    async with world(tmp_path) as w:
        answer = await ask(w, stream, raw=raw)
        assert answer.status == 502, answer.body
        error = error_of(answer)
        assert (error["code"], error["origin"]) == ("engine_error", "engine")
        for leak in ("html>", "127.0.0.1", "Traceback", "yyyy"):
            assert leak not in error["message"]
        assert await w.chat() == "token0 token1 token2 token3 token4 ", "the next request is served"


BROKEN_STREAMS = {
    "cut in the middle of a character": CHUNKED + chunk(EVENT) + chunk("data: \xe2\x82"),
    "an end without done, inside an event": CHUNKED + chunk(EVENT) + chunk("data: {") + "0\r\n\r\n",
    "a chunk that is none": CHUNKED + chunk(EVENT) + "zz\r\n",
}


@pytest.mark.parametrize("raw", BROKEN_STREAMS.values(), ids=BROKEN_STREAMS.keys())
async def test_a_stream_that_breaks_ends_in_an_error_event_and_no_half_event(tmp_path: Path, raw: str) -> None:
    async with world(tmp_path) as w:
        answer = await ask(w, True, raw=raw)
        assert answer.status == 200
        assert error_of(answer)["code"] == "engine_error"
        assert b"[DONE]" not in answer.body
        assert b"\xe2\x82" not in answer.body


async def test_a_character_cut_between_two_chunks_comes_out_whole(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        first, last = "data: \xe2\x82", "\xac\n\n"
        answer = await ask(w, True, raw=CHUNKED + chunk(first) + chunk(last) + chunk("data: [DONE]\n\n") + "0\r\n\r\n")
        assert "data: \u20ac\n\n".encode() in answer.body


async def test_a_line_of_a_hundred_megabytes_is_cut_at_its_bound_and_so_is_the_memory(tmp_path: Path) -> None:
    async with serving(tmp_path, event_size=str(2**20), answer_size=str(2**20)) as (started, port, engine):
        process = psutil.Process(started.pid)
        body = json.dumps(
            {"model": "small", "stream": True, "fake": {"tokens": 100, "garbage": "data: " + "x" * 2**20}}
        )
        before = process.memory_info().rss
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head_of(body.encode()) + body.encode())
        async with asyncio.timeout(PATIENCE):
            assert b"502" in await reader.readuntil(b"\r\n")
        writer.close()
        assert process.memory_info().rss - before < 24 * 2**20
        async with asyncio.timeout(PATIENCE):
            await engine.seen.aborted.wait()
        assert await status_of(port, "/health") == 200


@pytest.mark.parametrize("trickle", ["d", ": still here\n\n", ":\n\n:\n\n"])
async def test_an_engine_that_says_nothing_in_many_bytes_does_not_outlive_the_deadline(
    tmp_path: Path, trickle: str
) -> None:
    async with world(tmp_path, between_tokens=0.4, first_token=0.4) as w:
        async with asyncio.timeout(PATIENCE):
            answer = await ask(w, True, tokens=1000, garbage=trickle, delay=0.05)
        assert answer.status == (504 if trickle == "d" else 200)
        assert error_of(answer)["code"] == "engine_timeout"
        assert b"[DONE]" not in answer.body


async def test_an_event_that_comes_in_many_pieces_within_the_deadline_is_passed_on(tmp_path: Path) -> None:
    async with world(tmp_path, between_tokens=5.0) as w:
        pieces = "".join(chunk(letter) for letter in "data: slowly\n\n")
        answer = await ask(w, True, raw=CHUNKED + pieces + chunk("data: [DONE]\n\n") + "0\r\n\r\n")
        assert b"data: slowly\n\n" in answer.body


# G8


async def test_a_thousand_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    body = b'{"model":"small","stream":true,"fake":{"hang_after":1}}'
    async with world(tmp_path, lease_linger=60.0) as w:
        process = psutil.Process()

        async def come_and_go(number: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
            writer.write(head_of(body) + body)
            if number % 2:
                await reader.readuntil(b"token0")
            writer.transport.abort()

        async def rounds(count: int) -> tuple[int, int, int]:
            for start in range(0, count, 25):
                await asyncio.gather(*(come_and_go(start + number) for number in range(25)))
            await until(lambda: "<Traffic 0 in flight>" in repr(w.proxy.traffic))
            await until(lambda: "0 in flight, 0 waiting" in repr(w.proxy.leases))
            await until(lambda: len(w.engine.server._tasks) <= 2)
            await until(lambda: len(w.server.server_state.connections) == 0)
            w.engine.seen.requests.clear()
            w.engine.seen.aborts.clear()
            gc.collect()
            return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), process.memory_info().rss

        files, tasks, memory = await rounds(250)
        files_after, tasks_after, memory_after = await rounds(1000)
        assert files_after <= files + 3
        assert tasks_after <= tasks + 3
        assert memory_after - memory < 8 * 2**20
        assert repr(w.proxy.pool).startswith("<Pool 2 busy")
