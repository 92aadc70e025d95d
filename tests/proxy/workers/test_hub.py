"""The parent's hub between workers that are only lines."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.sharing.asking import KEYS, METRICS
from proxy.sharing.line import Line, Message
from proxy.sharing.siblings import Siblings
from proxy.workers.hub import Hub, Member
from tests.proxy.scraped import Scrape
from tests.proxy.workers.test_parts import loads, text
from tests.proxy.world import PATIENCE, until

pytestmark = pytest.mark.anyio


class Worker:
    """A worker's end of its line, with what it tells."""

    def __init__(self, requests: int) -> None:
        self.requests = requests
        self.looked = 0
        self.is_silent = False
        self.is_orphan = False
        self.link, self.theirs = socket.socketpair()
        self.siblings = Siblings(self.link)
        self.task = asyncio.create_task(self.siblings.follow({METRICS: self.tell, KEYS: self.look}))

    async def tell(self) -> bytes:
        if self.is_silent:
            await asyncio.Event().wait()
        return text(self.requests, 1, "ready") + loads(self.requests)

    async def look(self) -> bytes:
        self.looked += 1
        return b""

    async def scrape(self) -> Scrape:
        return Scrape.read(await self.siblings.ask(METRICS, await self.tell()))

    def orphaned(self) -> None:
        self.is_orphan = True

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait((self.task,))


class Floor:
    """A hub, and the workers at it."""

    def __init__(self) -> None:
        self.served: list[Member] = []
        self.hub = Hub(self.served.append)
        self.following: list[asyncio.Task[None]] = []
        self.workers: list[Worker] = []

    async def worker(self, requests: int) -> Worker:
        worker = Worker(requests)
        member = Member(await Line.of(worker.theirs))
        self.following.append(asyncio.create_task(self.hub.follow(member)))
        worker.siblings.serving(worker.orphaned)
        self.workers.append(worker)
        await until(lambda: len(self.served) == len(self.workers))
        return worker


@asynccontextmanager
async def floor() -> AsyncIterator[Floor]:
    made = Floor()
    yield made
    for worker in made.workers:
        await worker.end()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*made.following)


async def test_a_worker_that_asks_is_told_of_all() -> None:
    async with floor() as f:
        one, other = await f.worker(3), await f.worker(4)
        for worker in (one, other):
            seen = await worker.scrape()
            assert seen.value("roundhouse_requests_total") == 7
            assert seen.value("roundhouse_requests_in_flight") == 2
            assert seen.value("roundhouse_workers") == 2
        await one.siblings.ask(KEYS)
        assert (one.looked, other.looked) == (0, 1)


async def test_what_a_dead_worker_had_told_is_counted_on() -> None:
    async with floor() as f:
        one, other = await f.worker(3), await f.worker(4)
        await one.scrape()
        await other.end()
        await until(f.following[1].done)
        again = await f.worker(2)
        seen = await again.scrape()
        assert seen.value("roundhouse_requests_total") == 9
        assert seen.value("roundhouse_requests_in_flight") == 2
        assert seen.value("roundhouse_model_loads_total") == 6, "it was 4 when this worker began, and it saw 2"


async def test_of_a_worker_that_does_not_answer_the_last_that_it_told_counts() -> None:
    async with floor() as f:
        one, other = await f.worker(3), await f.worker(4)
        await one.scrape()
        other.is_silent = True
        other.requests = 9
        assert (await one.scrape()).value("roundhouse_requests_total") == 7


async def test_whoever_loses_its_parent_hears_of_it_and_asks_in_vain() -> None:
    worker = Worker(1)
    line = await Line.of(worker.theirs)
    worker.siblings.serving(worker.orphaned)
    assert await line.receive() == Message("serving")
    line.close()
    await until(lambda: worker.is_orphan)
    with pytest.raises(TimeoutError):
        await worker.siblings.ask(METRICS)
    await worker.task
