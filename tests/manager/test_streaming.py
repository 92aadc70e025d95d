"""Streams without an end: what their readers are told, and that no reader who left is taken for one who reads."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from contract.lease import Queued
from manager.broadcast import Broadcast
from manager.streaming import EndlessResponse
from manager.supervision.leases import Lease

pytestmark = pytest.mark.anyio

TURNS = range(6)  # of the event loop, between an event and its reader's end; an event takes no more to arrive
NEWS = Queued(position=1)


async def turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def is_ended(task: asyncio.Task[object]) -> bool:
    """Whether a task that may already be done ends where it is told to."""
    asked = task.cancel()
    await asyncio.wait((task,), timeout=20)
    return task.cancelled() if asked else task.done()


@pytest.mark.parametrize("turns", TURNS)
async def test_whoever_waits_for_a_leases_event_ends_when_told_to_at_the_moment_of_one(turns: int) -> None:
    lease = Lease("m", None)
    waiting: asyncio.Task[object] = asyncio.create_task(lease.next_event(20))
    await turn(5)
    lease.tell(NEWS)
    await turn(turns)
    assert await is_ended(waiting)


@pytest.mark.parametrize("turns", TURNS)
async def test_whoever_waits_for_a_change_ends_when_told_to_at_the_moment_of_one(turns: int) -> None:
    changes = Broadcast()
    with changes.listen() as listener:
        waiting: asyncio.Task[object] = asyncio.create_task(changes.next_of(listener, 20))
        await turn(5)
        changes.send(b"news")
        await turn(turns)
        assert await is_ended(waiting)


@pytest.mark.parametrize("turns", TURNS)
async def test_a_reader_who_leaves_at_the_moment_of_an_event_is_seen_to_leave(turns: int) -> None:
    lease, left, closed = Lease("m", None), asyncio.Event(), asyncio.Event()

    async def events() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield repr(await lease.next_event(20)).encode()
        finally:
            closed.set()

    async def receive() -> Message:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        """Nobody reads it."""

    answering = asyncio.create_task(EndlessResponse(events(), "text/plain")({}, receive, send))
    await turn(5)
    left.set()
    await turn(turns)
    lease.tell(NEWS)
    async with asyncio.timeout(20):
        await answering
    assert closed.is_set()


async def test_what_is_asked_by_a_reader_who_has_left_is_begun_and_ended_all_the_same() -> None:
    done = []

    async def events() -> AsyncGenerator[bytes, None]:
        done.append("begun")
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            done.append("ended")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        """Nobody reads it."""

    await EndlessResponse(events(), "text/plain")({}, receive, send)
    assert done == ["begun", "ended"]
