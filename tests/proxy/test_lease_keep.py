"""What requests say about keeping a model, under a lease by itself."""

import asyncio

import pytest

from contract.errors import ApiError
from contract.lease import Queued, Starting, Waking
from proxy.gateway import leases as gateway_leases
from proxy.gateway.leases import Leases
from proxy.gateway.limits import LeaseLimits
from proxy.gateway.manager import ManagerAbsent
from tests.proxy.test_leases import READY, Stream
from tests.proxy.world import PATIENCE, until

pytestmark = pytest.mark.anyio
FOR_EVER = 3600.0


async def test_telling_delays_no_request_and_the_lease_stays_until_it_is_told() -> None:
    stream = Stream()
    stream.may_tell.clear()
    leases = Leases(stream.open, stream.keep, LeaseLimits(linger=0))
    await stream.events.put(READY)
    for _ in range(2):
        async with leases.hold("m", keep=0):
            assert stream.kept == []
    for _ in range(20):
        await asyncio.sleep(0)
    assert stream.closed == 0
    stream.may_tell.set()
    await until(lambda: repr(leases) == "<Leases []>")
    assert (stream.kept, stream.opened, stream.closed) == ([0], 1, 1)


async def test_what_changes_while_it_is_told_is_told_after_it() -> None:
    stream = Stream()
    stream.may_tell.clear()
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    await stream.events.put(READY)
    for seconds in (60, 120, 300):
        async with leases.hold("m", keep=seconds):
            pass
    stream.may_tell.set()
    await until(lambda: stream.kept == [60, 300])
    await leases.close()


async def test_a_manager_that_does_not_know_of_the_lease_yet_is_told_when_it_does() -> None:
    stream = Stream()
    stream.may_open.clear()
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    asked = asyncio.create_task(leases.hold("m", keep=60).__aenter__())
    await until(lambda: "1 waiting" in repr(leases))
    stream.may_open.set()
    await until(lambda: stream.opened == 1)
    assert stream.kept == []
    await stream.events.put(Queued(position=1))
    await until(lambda: stream.kept == [60])
    asked.cancel()
    await leases.close()


async def test_a_lease_whose_wish_could_not_be_told_closes_all_the_same() -> None:
    stream = Stream()
    stream.refusal = ManagerAbsent("gone")
    leases = Leases(stream.open, stream.keep, LeaseLimits(linger=FOR_EVER))
    await stream.events.put(READY)
    async with leases.hold("m", keep=0):
        pass
    await until(lambda: repr(leases) == "<Leases []>")
    assert stream.kept == []


async def test_a_request_that_says_otherwise_takes_the_zero_back() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits(linger=FOR_EVER))
    await stream.events.put(READY)
    async with leases.hold("m", keep=0), leases.hold("m", keep=60):
        pass
    await until(lambda: stream.kept[-1:] == [60])
    for _ in range(20):
        await asyncio.sleep(0)
    assert stream.closed == 0
    await leases.close()


async def test_who_does_not_wait_still_hears_that_the_model_is_ready() -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    stream.may_open.clear()
    asked = asyncio.create_task(leases.hold("m", wait=0).__aenter__())
    await until(lambda: "1 waiting" in repr(leases))
    stream.may_open.set()
    await stream.events.put(READY)
    assert (await asked).port == 1
    await leases.close()


@pytest.mark.parametrize("away", [False, True])
async def test_who_does_not_wait_is_refused_as_soon_as_it_is_known_that_there_is_none(away: bool) -> None:
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    await stream.events.put(ManagerAbsent("gone") if away else Queued(position=3, reason="memory"))
    with pytest.raises(ApiError, match="does not wait") as raised:
        async with leases.hold("m", wait=0):
            pass
    assert raised.value.code == "engine_loading"
    assert ("waiting for the manager" if away else "position 3, memory") in raised.value.message
    await leases.close()


async def test_a_manager_that_says_nothing_is_not_waited_for_longer_than_a_question_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_leases, "ASK_SECONDS", 0.02)
    stream = Stream()
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ApiError, match="asking the manager"):
            async with leases.hold("m", wait=0):
                pass
    await leases.close()


async def test_a_want_is_heard_though_its_caller_would_not_wait() -> None:
    stream = Stream()
    await stream.events.put(Queued(position=1))
    leases = Leases(stream.open, stream.keep, LeaseLimits(linger=0))
    with pytest.raises(ApiError):
        async with leases.hold("m", wait=0):
            pass
    assert stream.opened == 1
    await until(lambda: repr(leases) == "<Leases []>")


@pytest.mark.parametrize(
    ("event", "seconds"),
    [
        (Starting(phase="loading", seconds=12, usual_seconds=40), "28"),
        (Waking(seconds=1.5, usual_seconds=4), "3"),
        (Waking(seconds=9, usual_seconds=4), "1"),
        (Starting(phase="loading", seconds=12), "30"),
        (Queued(position=1), "30"),
    ],
)
async def test_the_time_to_come_back_is_what_a_load_usually_still_takes(
    event: Starting | Waking | Queued, seconds: str
) -> None:
    stream = Stream()
    await stream.events.put(event)
    leases = Leases(stream.open, stream.keep, LeaseLimits())
    with pytest.raises(ApiError) as raised:
        async with leases.hold("m", wait=0):
            pass
    assert raised.value.headers == {"retry-after": seconds, "x-should-retry": "false"}
    await leases.close()
