"""Hazards J of the list: many at once, and one that would have everything.

J1 test_herd.py   J2 test_sessions.py   J6 test_hazards_soak.py
"""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.ports import free_port
from tests.proxy.keyed import Keyed, Made, keyed
from tests.proxy.media.pictures import chat, data_url, encoded, picture_part
from tests.proxy.process import ROOT
from tests.proxy.test_rate_limits import request_of
from tests.proxy.world import until, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
FLOOD = 200


@pytest.fixture
async def k(tmp_path: Path) -> AsyncIterator[Keyed]:
    async with keyed(tmp_path) as made:
        yield made


# J3


async def flood(k: Keyed, key: Made, until_set: asyncio.Event, statuses: list[int]) -> None:
    """One caller of many connections that asks again as soon as it is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", k.world.port)
    request = request_of(key, b'{"model":"small","fake":{"first_delay":0.2}}')
    while not until_set.is_set():
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        statuses.append(int(head.split()[1]))
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        await asyncio.sleep(0.3)
    writer.close()


async def test_a_key_that_floods_is_held_to_its_own_limit_and_others_hardly_wait(k: Keyed) -> None:
    greedy = await k.make(limits={"concurrent_requests": 8})
    other = await k.make()
    over, statuses = asyncio.Event(), list[int]()
    flooding = [asyncio.create_task(flood(k, greedy, over, statuses)) for _ in range(FLOOD)]
    await until(lambda: len(statuses) > FLOOD)
    took = []
    for _ in range(50):
        began = time.monotonic()
        assert (await k.chat(other)).status == 200
        took.append(time.monotonic() - began)
    over.set()
    await asyncio.gather(*flooding)
    assert set(statuses) == {200, 429}
    assert statuses.count(429) > statuses.count(200)
    assert sorted(took)[45] < 1.0, "nine of ten, on a machine that is shared"
    assert max(took) < 5.0


async def test_a_key_without_limits_that_floods_does_not_keep_others_waiting(k: Keyed) -> None:
    """It may take every place of a model's: past those all are told 503 at once, and only a limit of its own helps."""
    greedy, other = await k.make(), await k.make(limits={"requests_per_minute": 1000})
    over, statuses = asyncio.Event(), list[int]()
    flooding = [asyncio.create_task(flood(k, greedy, over, statuses)) for _ in range(FLOOD)]
    await until(lambda: len(statuses) > FLOOD)
    took = []
    for _ in range(20):
        began = time.monotonic()
        assert (await k.chat(other)).status == 200
        took.append(time.monotonic() - began)
    over.set()
    await asyncio.gather(*flooding)
    assert set(statuses) == {200}
    assert sorted(took)[17] < 1.0
    assert max(took) < 5.0


# J4


@asynccontextmanager
async def engine_apart() -> AsyncIterator[str]:
    """A process, so that its work is not in the measure -> its address."""
    port = free_port()
    command = ("-m", "tests.fakes.engine", "--port", str(port))
    started = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, stdout=PIPE)
    try:
        assert started.stdout is not None
        await started.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        started.kill()
        await started.communicate()


async def steps_of_the_loop(over: asyncio.Event) -> list[float]:
    """Seconds of the processor in each turn of this loop, which is the proxy's: a shared machine does not change them.

    Whatever else waits for the loop, waits so long.
    """
    seen = []
    while not over.is_set():
        began = time.thread_time()
        await asyncio.sleep(0)
        seen.append(time.thread_time() - began)
    return sorted(seen)


async def test_large_pictures_hold_up_the_loop_for_moments_only(tmp_path: Path) -> None:
    picture = picture_part(data_url(encoded("PNG", (1600, 1600), "RGB", compress_level=0)))
    body = chat(picture).replace(b'"small"', b'"large"')
    assert len(body) > 8 * 2**20
    async with engine_apart() as url, world(tmp_path) as w:
        w.manager.endpoints["large"] = url
        assert (await w.post(CHAT, body)).status == 200
        over = asyncio.Event()
        measured = asyncio.create_task(steps_of_the_loop(over))
        for _ in range(4):
            answers = await asyncio.gather(*(w.post(CHAT, body) for _ in range(2)))
            assert {answer.status for answer in answers} == {200}
        over.set()
        seen = await measured
    assert seen[-1] < 0.1, "the longest, with the caller's own work in it"
    assert seen[int(len(seen) * 0.99)] < 0.05
