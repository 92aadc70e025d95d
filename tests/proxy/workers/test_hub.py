"""The parent's hub between workers that are only lines."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from proxy.sharing.asking import JOBS, JOBS_AGAIN, KEYS, METRICS
from proxy.sharing.line import Line, Message
from proxy.sharing.siblings import Duties, Siblings
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
        self.is_closing = False
        self.is_orphan = False
        self.link, self.theirs = socket.socketpair()
        self.siblings = Siblings(self.link)
        self.leads = False
        self.heard: list[tuple[int, bytes]] = []
        self.asked: list[tuple[str, bytes]] = []
        answers = {METRICS: self.tell, KEYS: self.look}
        answers |= {each: partial(self.run, each) for each in (JOBS, JOBS_AGAIN)}
        duties = Duties(answers, self.lead, lambda number, body: self.heard.append((number, body)))
        self.task = asyncio.create_task(self.siblings.follow(duties))

    def lead(self) -> None:
        self.leads = True

    async def run(self, what: str, body: bytes) -> bytes:
        """What it is asked of jobs."""
        self.asked.append((what, body))
        if self.is_silent:
            await asyncio.Event().wait()
        return b"" if self.is_closing else b"done"

    async def tell(self, _: bytes = b"") -> bytes:
        if self.is_silent:
            await asyncio.Event().wait()
        return text(self.requests, 1, "ready") + loads(self.requests)

    async def look(self, _: bytes) -> bytes:
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


# Jobs, which one of them runs


async def test_the_first_that_serves_runs_the_jobs_and_is_asked_for_all() -> None:
    async with floor() as f:
        one, other = await f.worker(1), await f.worker(1)
        await until(lambda: one.leads)
        for worker in (other, one):
            assert await worker.siblings.ask_leader(JOBS, b"a job") == b"done"
        assert (one.asked, other.asked, other.leads) == (2 * [(JOBS, b"a job")], [], False)


async def test_what_was_asked_of_one_that_dies_is_asked_of_the_next_who_learns_that_it_is_asked_again() -> None:
    async with floor() as f:
        one, other = await f.worker(1), await f.worker(1)
        one.is_silent = True
        asking = asyncio.ensure_future(other.siblings.ask_leader(JOBS, b"a job"))
        await until(lambda: bool(one.asked))
        await one.end()
        assert await asking == b"done"
        assert (other.leads, other.asked) == (True, [(JOBS_AGAIN, b"a job")])


async def test_one_that_is_on_its_way_down_leaves_the_answer_to_the_next() -> None:
    async with floor() as f:
        one, other = await f.worker(1), await f.worker(1)
        one.is_closing = True
        asking = asyncio.ensure_future(other.siblings.ask_leader(JOBS, b"a job"))
        await until(lambda: bool(one.asked))
        await one.end()
        assert await asking == b"done"


# Events, which all of them hear


async def test_what_one_tells_all_hear_in_one_order_and_one_that_begins_hears_what_was() -> None:
    async with floor() as f:
        one, other = await f.worker(1), await f.worker(1)
        for number in range(20):
            (one, other)[number % 2].siblings.tell(b"%d" % number)
        await until(lambda: len(one.heard) == len(other.heard) == 20)
        assert one.heard == other.heard
        assert [number for number, _ in one.heard] == list(range(1, 21))
        assert {body for _, body in one.heard} == {b"%d" % number for number in range(20)}
        third = await f.worker(1)
        await until(lambda: len(third.heard) == 20)
        assert third.heard == one.heard


async def test_whoever_listens_after_its_parent_has_died_hears_of_it_all_the_same() -> None:
    worker = Worker(1)
    worker.theirs.close()
    await worker.task
    worker.siblings.serving(worker.orphaned)
    assert worker.is_orphan
