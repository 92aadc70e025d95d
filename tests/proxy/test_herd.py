"""A thundering herd: one lease, a bounded queue, and a time to come back for the rest."""

import asyncio
import json
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.lease import Queued, Ready
from tests.proxy.world import Raw, World, until, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
HERD = 500
BOUND = 64


@pytest.fixture(autouse=True)
def sockets_for_all() -> Iterator[None]:
    """Both ends of every connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8 * HERD if hard == resource.RLIM_INFINITY else min(8 * HERD, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def herd(w: World, body: bytes) -> list[asyncio.Task[Raw]]:
    return [asyncio.create_task(w.post(CHAT, body)) for _ in range(HERD)]


async def refused(asked: list[asyncio.Task[Raw]]) -> list[asyncio.Task[Raw]]:
    """All but the bound are refused in the agreed way -> those that go on."""
    await until(lambda: sum(task.done() for task in asked) == HERD - BOUND, seconds=60.0)
    for answer in (task.result() for task in asked if task.done()):
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (503, "overloaded")
        assert answer.headers["retry-after"] == "5"
        assert "x-should-retry" not in answer.headers, "the SDK may come back then"
    return [task for task in asked if not task.done()]


async def test_a_herd_at_a_cold_model_is_one_lease_and_a_bounded_queue(tmp_path: Path) -> None:
    async with world(tmp_path, waiting_limit=BOUND) as w:
        asked = herd(w, b'{"model":"large"}')
        lease = await w.manager.lease()
        await lease.send(Queued(position=1))
        waiting = await refused(asked)
        assert f"{BOUND} waiting" in repr(w.proxy.leases)
        assert (await w.get("/health")).status == 200
        await lease.send(Ready(endpoint=w.engine.url))
        answers = await asyncio.gather(*waiting)
        assert Counter(answer.status for answer in answers) == {200: BOUND}
        assert (len(w.manager.leases), len(w.engine.seen.requests)) == (1, BOUND)


async def test_a_herd_at_a_loaded_model_is_bounded_in_the_same_way(tmp_path: Path) -> None:
    async with world(tmp_path, in_flight_limit=BOUND) as w:
        assert (await w.post(CHAT, b'{"model":"small"}')).status == 200
        asked = herd(w, b'{"model":"small","fake":{"hang_before_head":true}}')
        running = await refused(asked)
        await until(lambda: len(w.engine.seen.requests) == BOUND + 1)
        assert f"{BOUND} in flight" in repr(w.proxy.leases)
        assert len(w.manager.leases) == 1
        for task in running:
            task.cancel()
        await until(lambda: "0 in flight, 0 waiting" in repr(w.proxy.leases))
        assert (await w.post(CHAT, b'{"model":"small"}')).status == 200
