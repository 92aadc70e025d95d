"""The sight of devices, with devices that a test holds back, breaks and changes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count

import pytest

from manager.box.devices import DeviceSeen
from manager.box.sight import Sight
from manager.events import MemorySeen
from manager.specification import DeviceKind

pytestmark = pytest.mark.anyio

NEVER = 3600.0
PATIENCE = 20


def device(free: int = 0) -> DeviceSeen:
    return DeviceSeen("cpu", DeviceKind.CPU, "a host", 100, free)


@asynccontextmanager
async def sight(
    see: Callable[[], tuple[DeviceSeen, ...]], interval: float = NEVER
) -> AsyncIterator[tuple[Sight, "asyncio.Queue[MemorySeen]"]]:
    """A sight that runs, whose clock counts how often it was read, and what it posts."""
    posted: asyncio.Queue[MemorySeen] = asyncio.Queue()
    running = Sight(posted.put_nowait, count(1.0).__next__, see, interval=interval, pause=0)
    task = asyncio.create_task(running.run())
    try:
        async with asyncio.timeout(PATIENCE):
            yield running, posted
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_devices_are_seen_at_once_and_again_at_every_interval() -> None:
    async with sight(lambda: (device(),), interval=0.001) as (_, posted):
        assert [(await posted.get()).at for _ in range(3)] == [1.0, 2.0, 3.0]


async def test_a_look_brings_a_sight_before_the_interval_is_over() -> None:
    free = count(10)
    async with sight(lambda: (device(next(free)),)) as (running, posted):
        assert (await posted.get()).devices == (device(10),)
        running.look()
        assert await posted.get() == MemorySeen(2.0, (device(11),))


async def test_a_look_during_a_sight_brings_another_that_begins_after_it_and_never_two_at_once() -> None:
    begun, going, at_once = threading.Semaphore(0), threading.Semaphore(0), list[int]()
    now = count()

    def see() -> tuple[DeviceSeen, ...]:
        at_once.append(1)
        begun.release()
        assert going.acquire(timeout=PATIENCE)
        assert len(at_once) == 1
        at_once.clear()
        return (device(next(now)),)

    async with sight(see) as (running, posted):
        await asyncio.to_thread(begun.acquire)
        for _ in range(5):
            running.look()
        going.release(2)
        assert [(await posted.get()).devices[0].free for _ in range(2)] == [0, 1]
        assert begun.acquire(blocking=False)
        assert not begun.acquire(blocking=False)


async def test_a_sight_that_is_stuck_blocks_neither_the_loop_nor_the_end() -> None:
    stuck = threading.Event()

    def see() -> tuple[DeviceSeen, ...]:
        stuck.wait(PATIENCE)
        return (device(),)

    async with sight(see) as (running, posted):
        running.look()
        await asyncio.sleep(0)
        assert posted.empty()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "sight"]
    assert thread.daemon
    stuck.set()
    thread.join()


async def test_a_sight_that_fails_is_told_once_and_repeated(caplog: pytest.LogCaptureFixture) -> None:
    tries = count()

    def see() -> tuple[DeviceSeen, ...]:
        if next(tries) < 3:
            raise OSError(24, "Too many open files")
        return (device(7),)

    async with sight(see, interval=0.001) as (_, posted):
        assert await posted.get() == MemorySeen(4.0, (device(7),))
    told = [record.getMessage() for record in caplog.records]
    assert told == ["the devices' memory cannot be read: [Errno 24] Too many open files"]


@pytest.mark.parametrize("steps", range(4))
async def test_a_sight_that_is_called_off_just_as_it_is_asked_to_look_ends(steps: int) -> None:
    sight = Sight(lambda seen: None, count(1.0).__next__, lambda: (), interval=NEVER, pause=0)
    watching = asyncio.create_task(sight.run())
    await asyncio.sleep(0.05)
    sight.look()
    for _ in range(steps):
        await asyncio.sleep(0)
    watching.cancel()
    done, _ = await asyncio.wait({watching}, timeout=5)
    watching.cancel()
    assert done, "a shutdown would wait for it for ever"
