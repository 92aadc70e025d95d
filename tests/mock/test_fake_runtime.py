"""The fake runtime: it does what a real one does, and what it is told to do wrong."""

import asyncio

import httpx
import pytest

from manager.box.devices import DeviceSeen
from manager.engines.mock import ENGINE
from manager.running.metrics import Sample, sample_of
from manager.runtimes.runtime import Runtime
from manager.specification import DeviceKind, EngineError, EngineSpec, Exit, Found, Placement
from tests.fakes.box import Box
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.anyio

GIB = 2**30


def spec(container: str = "c", device: str = "cpu", memory: int = GIB) -> EngineSpec:
    kind = DeviceKind.CPU if device == "cpu" else DeviceKind.CUDA
    placement = Placement(kind, (device,), memory, 4 * GIB)
    return EngineSpec(model="m", engine="mock", container=container, port=8000, placement=placement)


def free(box: Box) -> dict[str, int]:
    return {device.id: device.free // GIB for device in box.see()}


async def test_it_is_a_runtime() -> None:
    runtime: Runtime = FakeRuntime()
    await runtime.open()
    await runtime.start(spec())
    assert await runtime.found() == (Found("m", "c", spec().hash, running=True),)
    assert await runtime.exit_of("c") is None
    assert await runtime.tail("c", 5) == ("serving",)
    await runtime.stop("c", 0)
    assert (await runtime.found(), await runtime.exit_of("c")) == ((), Exit(None))
    assert [line async for line in runtime.logs("c", 5, follow=False)] == [b"serving\n"]
    await runtime.stop("c", 0)
    await runtime.close()


async def test_what_nobody_wants_is_swept_away() -> None:
    runtime = FakeRuntime()
    for container in ("a", "b"):
        await runtime.start(spec(container))
    assert await runtime.sweep(frozenset({"a"})) == ("b",)
    assert set(runtime.engines) == {"a"}


async def test_memory_moves_with_the_engines() -> None:
    box = Box(4 * GIB, (8 * GIB,))
    runtime = FakeRuntime(box, appetite=lambda spec: spec.placement.memory // 2)
    box.others["cpu"] = GIB
    assert box.see()[0] == DeviceSeen("cuda:0", DeviceKind.CUDA, "cuda:0", 8 * GIB, 8 * GIB)
    await runtime.start(spec("a", "cuda:0", 6 * GIB))
    await runtime.start(spec("b", memory=2 * GIB))
    assert free(box) == {"cuda:0": 5, "cpu": 2}
    await runtime.stop("a", 0)
    runtime.die("b", 137, "Killed", out_of_memory=True)
    assert free(box) == {"cuda:0": 8, "cpu": 3}
    assert await runtime.exit_of("b") == Exit(137, out_of_memory=True)
    assert await runtime.tail("b", 1) == ("Killed",)
    assert (box.shortest["cuda:0"], box.shortest["cpu"]) == (5 * GIB, 2 * GIB)


async def test_memory_may_linger_after_its_engine() -> None:
    runtime = FakeRuntime(Box(4 * GIB, lingers=True))
    await runtime.start(spec())
    await runtime.stop("c", 0)
    assert free(runtime.box) == {"cpu": 3}
    runtime.box.settle()
    assert free(runtime.box) == {"cpu": 4}


async def test_over_booking_is_seen() -> None:
    runtime = FakeRuntime(Box(GIB))
    await runtime.start(spec("a"))
    await runtime.start(spec("b"))
    assert (free(runtime.box), runtime.box.shortest["cpu"]) == ({"cpu": 0}, -GIB)


async def test_an_engine_answers_as_the_mock_does() -> None:
    runtime = FakeRuntime(Box(4 * GIB, (8 * GIB,)))
    await runtime.start(spec(device="cuda:0", memory=2 * GIB))
    engine = runtime.engines["c"]
    engine.requests, engine.tokens = 2, 5
    async with httpx.AsyncClient(transport=runtime.transport) as client:
        url = await runtime.endpoint(spec(), None)
        assert (await client.get(f"{url}/health")).status_code == 200
        assert sample_of((await client.get(f"{url}/metrics")).text, ENGINE.metrics) == Sample(2, (5,))
        await client.post(f"{url}/sleep?level=1")
        assert (free(runtime.box), engine.level) == ({"cuda:0": 8, "cpu": 2}, 1)
        assert (await client.get(f"{url}/is_sleeping")).json() == {"is_sleeping": True}
        assert (await client.post(f"{url}/probe", json={})).status_code == 503
        await client.post(f"{url}/sleep?level=2")
        assert free(runtime.box) == {"cuda:0": 8, "cpu": 4}
        await client.post(f"{url}/wake_up")
        assert (await client.post(f"{url}/probe", json={})).status_code == 200
        assert free(runtime.box) == {"cuda:0": 6, "cpu": 4}
        runtime.vanish("c")
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/health")


async def test_calls_are_refused_until_they_are_allowed() -> None:
    runtime = FakeRuntime()
    runtime.refuse("start", "c", "image_missing", "pull it")
    with pytest.raises(EngineError, match="pull it"):
        await runtime.start(spec())
    await runtime.start(spec("d"))
    runtime.allow("start", "c")
    await runtime.start(spec())
    assert set(runtime.engines) == {"c", "d"}
    runtime.refuse("found")
    with pytest.raises(EngineError):
        await runtime.found()


async def test_a_held_call_waits_and_one_that_is_cancelled_has_done_nothing() -> None:
    runtime = FakeRuntime()
    gate = runtime.hold("start", "c")
    first = asyncio.create_task(runtime.start(spec()))
    await asyncio.sleep(0)
    assert (runtime.calls, runtime.engines) == ([("start", "c")], {})
    first.cancel()
    await asyncio.wait([first])
    gate.set()
    assert runtime.engines == {}
    await runtime.start(spec())
    assert set(runtime.engines) == {"c"}


async def test_two_who_act_on_one_container_at_once_are_noted() -> None:
    runtime = FakeRuntime()
    gate = runtime.hold("start")
    starting = asyncio.create_task(runtime.start(spec()))
    await asyncio.sleep(0)
    await runtime.stop("c", 0)
    gate.set()
    await starting
    assert runtime.collisions == ["c"]
