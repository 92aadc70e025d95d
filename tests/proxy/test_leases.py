"""Leases by themselves, against a scripted stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from contract.errors import ApiError
from contract.lease import Drain, Failed, LeaseEvent, Queued, Ready
from proxy.gateway.leases import Leases
from proxy.gateway.limits import LeaseLimits
from proxy.gateway.manager import ManagerAbsent
from tests.proxy.world import until

pytestmark = pytest.mark.anyio
READY = Ready(endpoint="http://127.0.0.1:1")


class Stream:
    """Lease streams whose events a test puts in; an exception ends one."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[LeaseEvent | ApiError] = asyncio.Queue()
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.opened = 0
        self.closed = 0
        self.kept: list[float] = []
        self.may_tell = asyncio.Event()
        self.may_tell.set()
        self.refusal: ApiError | None = None

    @asynccontextmanager
    async def open(self, model: str) -> AsyncIterator[AsyncIterator[LeaseEvent]]:
        await self.may_open.wait()
        self.opened += 1
        try:
            yield self._follow()
        finally:
            self.closed += 1

    async def keep(self, model: str, seconds: float) -> None:
        await self.may_tell.wait()
        if self.refusal is not None:
            raise self.refusal
        self.kept.append(seconds)

    async def _follow(self) -> AsyncIterator[LeaseEvent]:
        while True:
            event = await self.events.get()
            if isinstance(event, ApiError):
                raise event
            yield event


async def test_waiting_requests_enter_in_the_order_in_which_they_came() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    entered: list[int] = []

    async def hold(number: int) -> None:
        async with leases.hold("m"):
            entered.append(number)

    tasks = []
    for number in range(20):
        tasks.append(asyncio.create_task(hold(number)))
    await until(lambda: "20 waiting" in repr(leases))
    tasks.pop(7).cancel()
    await stream.events.put(READY)
    await asyncio.gather(*tasks)
    assert entered == [number for number in range(20) if number != 7]
    assert stream.opened == 1
    await leases.close()


async def test_a_ready_lease_is_entered_without_a_turn_of_the_loop() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    await stream.events.put(READY)
    async with leases.hold("m"):
        pass
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1

    asyncio.get_running_loop().call_soon(turn)
    async with leases.hold("m") as address:
        assert address.port == 1
    assert turns == 0
    await leases.close()


async def test_the_address_is_kept_while_the_manager_is_away_and_the_lease_is_opened_again() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits(linger=0.05))
    await stream.events.put(READY)
    async with leases.hold("m"):
        await stream.events.put(ManagerAbsent("gone"))
        await until(lambda: stream.closed == 1)
    async with leases.hold("m") as address:
        assert address.port == 1
    await until(lambda: stream.opened >= 2)
    async with leases.hold("m") as address:
        await stream.events.put(Ready(endpoint="http://127.0.0.1:2"))
        await until(lambda: "127.0.0.1:2" in repr(leases))
    await until(lambda: repr(leases) == "<Leases []>")


async def test_a_manager_that_stays_away_is_told_to_those_who_wait() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits(absence=0.1))
    for _ in range(50):
        await stream.events.put(ManagerAbsent("gone"))
    with pytest.raises(ManagerAbsent):
        async with leases.hold("m"):
            pass
    assert stream.opened > 1
    await leases.close()


async def test_an_address_is_not_kept_for_long_after_the_manager_returned() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits(absence=0.1))
    loop = asyncio.get_running_loop()
    await stream.events.put(READY)
    opened: list[float] = []
    async with leases.hold("m") as address:
        for _ in range(8):  # two seconds of absence, after which the pauses are as long as ever
            await stream.events.put(ManagerAbsent("gone"))
            await until(lambda: stream.opened > len(opened) + 1)
            opened.append(loop.time())
        assert address.port == 1
    assert opened[-1] - opened[0] > 1.5
    assert opened[-1] - opened[-2] < 1.0
    await leases.close()


async def test_a_returned_manager_that_says_the_model_is_not_ready_takes_the_address_back() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    await stream.events.put(READY)
    async with leases.hold("m"):
        await stream.events.put(ManagerAbsent("gone"))
        await stream.events.put(Queued(position=1))
        await until(lambda: "queued: position 1" in repr(leases))
    assert leases.lease_of("m").address is None
    await leases.close()


async def test_a_request_after_a_failure_opens_a_new_lease() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    await stream.events.put(Failed(code="engine_start_failed", reason="no"))
    with pytest.raises(ApiError, match="no"):
        async with leases.hold("m"):
            pass
    await stream.events.put(READY)
    async with leases.hold("m"):
        assert stream.opened == 2
    await leases.close()


async def test_a_want_is_told_to_the_manager_even_when_its_request_left_before_that() -> None:
    stream = Stream()
    stream.may_open.clear()
    leases = Leases(stream.open, stream.keep, LeaseLimits(linger=0))
    asked = asyncio.create_task(leases.hold("m").__aenter__())
    await until(lambda: "1 waiting" in repr(leases))
    asked.cancel()
    await until(lambda: "0 waiting" in repr(leases))
    for _ in range(10):
        await asyncio.sleep(0)
    assert "m" in repr(leases)
    stream.may_open.set()
    await until(lambda: stream.opened == 1)
    await until(lambda: repr(leases) == "<Leases []>")


async def test_an_endpoint_that_is_no_address_is_never_used() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    await stream.events.put(Ready(endpoint="file:///etc/passwd"))
    with pytest.raises(ApiError, match="no http address"):
        async with leases.hold("m"):
            pass
    await leases.close()


async def test_a_cut_request_raises_the_reason_and_a_cancelled_one_stays_cancelled() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits())

    async def hold() -> None:
        async with leases.hold("m"):
            await asyncio.Event().wait()

    await stream.events.put(READY)
    cut, both = asyncio.create_task(hold()), asyncio.create_task(hold())
    await until(lambda: "2 in flight" in repr(leases))
    await stream.events.put(Drain(seconds=0.01))
    await until(lambda: cut.cancelling() > 0 or cut.done())
    both.cancel()
    with pytest.raises(ApiError, match="make room"):
        await cut
    assert not cut.cancelled()
    await asyncio.wait((both,))
    assert repr(leases) == "<Leases []>"


async def test_closing_tells_those_who_wait() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits())

    async def hold() -> None:
        async with leases.hold("m"):
            pass

    waiting = asyncio.create_task(hold())
    await until(lambda: "1 waiting" in repr(leases))
    await leases.close()
    with pytest.raises(ApiError, match="stopping"):
        await waiting
    assert stream.closed == 1
