"""Real processes and one memory: limits are exact while they race, and one that is killed leaves nothing behind."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from proxy.endpoints._remembered import Made
from proxy.endpoints._shared_responses import SharedResponseMemory
from proxy.sharing.memory import RESPONSES, SharedMemory, make_memory
from tests.proxy.clock import Clock
from tests.proxy.process import ROOT

pytestmark = pytest.mark.anyio

RACERS = 4
PATIENCE = 30.0
Order = Callable[[str], Awaitable[int]]


class Race:
    """Processes that stand ready."""

    def __init__(self, memory: SharedMemory, racers: list[Process]) -> None:
        self.memory = memory
        self.racers = racers

    async def order(self, number: int, line: str) -> int:
        return (await self.together([number], line))[0]

    async def together(self, numbers: list[int], line: str) -> list[int]:
        """All get the order before the first has answered."""
        for number in numbers:
            self._in(number).write(f"{line}\n".encode())
        async with asyncio.timeout(PATIENCE):
            return [int(await self._out(number).readline()) for number in numbers]

    async def kill(self, number: int) -> None:
        self.racers[number].kill()
        await self.racers[number].wait()

    def _in(self, number: int) -> asyncio.StreamWriter:
        writer = self.racers[number].stdin
        assert writer is not None
        return writer

    def _out(self, number: int) -> asyncio.StreamReader:
        reader = self.racers[number].stdout
        assert reader is not None
        return reader


@asynccontextmanager
async def racing() -> AsyncIterator[Race]:
    file = make_memory(RACERS)
    racers = [await racer(file, number) for number in range(RACERS)]
    race = Race(SharedMemory(file, RACERS), racers)
    try:
        async with asyncio.timeout(PATIENCE):
            for number in range(RACERS):
                assert await race._out(number).readline() == b"here\n"
        yield race
    finally:
        for each in racers:
            if each.returncode is None:
                each.kill()
            await each.communicate()
        os.close(file)


async def racer(file: int, number: int) -> Process:
    what = ("-m", "tests.proxy.workers.racer", str(file), str(number), str(RACERS))
    return await asyncio.create_subprocess_exec(
        sys.executable, *what, cwd=ROOT, stdin=PIPE, stdout=PIPE, pass_fds=(file,)
    )


@pytest.mark.parametrize("limit", ["requests_per_minute", "tokens_per_minute", "concurrent_requests"])
async def test_of_all_that_race_for_one_key_exactly_as_many_are_let_in_as_its_limit_says(limit: str) -> None:
    everyone = list(range(RACERS))
    async with racing() as race:
        shares: set[int] = set()
        for number in range(30):
            let_in = await race.together(everyone, f'take key-{number} {{"{limit}":1000}} 600')
            assert sum(let_in) == 1000
            shares.update(let_in)
        assert len(shares) > 4, "they did not race"
        assert sum(await race.together(everyone, "take key-0 {} 1")) == 0


async def test_places_go_round_among_processes_and_none_is_lost() -> None:
    everyone = list(range(RACERS))
    async with racing() as race:
        for _ in range(100):
            assert sum(await race.together(everyone, 'take one {"concurrent_requests":10} 5')) == 10
            await race.together(everyone, "end one")


async def test_a_process_that_is_killed_holds_no_lock_and_its_places_come_back() -> None:
    take = 'take one {"concurrent_requests":10} 20'
    async with racing() as race:
        assert await race.order(0, 'take one {"concurrent_requests":10} 7') == 7
        assert await race.order(1, take) == 3
        await race.order(0, "lock one")
        waiting = asyncio.create_task(race.order(2, take))
        done, _ = await asyncio.wait((waiting,), timeout=0.2)
        assert not done, "it waits for the lock"
        await race.kill(0)
        async with asyncio.timeout(PATIENCE):
            assert await waiting == 0
        race.memory.forget(0)
        assert await race.order(2, take) == 7
        assert await race.order(3, take) == 0


# The memory of responses


def memory_of(clock: Clock) -> tuple[int, list[SharedResponseMemory]]:
    file = make_memory(2)
    return file, [SharedResponseMemory(SharedMemory(file, 2).responses, clock) for _ in range(2)]


def test_a_response_is_known_to_the_other_worker_and_is_an_owners_own() -> None:
    clock = Clock()
    file, (one, other) = memory_of(clock)
    small, large = Made("small", keeps_events=False), Made("large", keeps_events=True)
    one.remember("r1", small, "me")
    assert other.find("r1", "me") == small
    assert other.find("r1", "you") is None
    assert other.find("r2", "me") is None
    assert other.find("r2", "") is None
    other.remember("r1", Made("theirs", keeps_events=False), "you")
    assert (one.find("r1", "me"), one.find("r1", "you")) == (small, None)
    one.remember("r1", large, "me")
    assert other.find("r1", "me") == large
    one.remember("r2", Made("m" * 65, keeps_events=False), "")
    assert one.find("r2", "") is None
    os.close(file)


def test_the_oldest_responses_are_forgotten_for_new_ones() -> None:
    clock = Clock()
    file, (one, other) = memory_of(clock)
    m = Made("m", keeps_events=False)
    for number in range(2 * RESPONSES.records):
        clock.now += 1
        one.remember(f"r{number}", m, "")
    known = [number for number in range(2 * RESPONSES.records) if other.find(f"r{number}", "") == m]
    assert RESPONSES.records * 0.9 < len(known) <= RESPONSES.records
    assert all(other.find(f"r{2 * RESPONSES.records - back}", "") == m for back in range(1, 1000))
    os.close(file)
