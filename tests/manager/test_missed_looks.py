"""A look at the box that misses a device, finds another, or does not come: what is known is not lost by it."""

from dataclasses import replace

from contract.lease import Failed, Queued
from contract.states import ModelState
from manager.box.devices import DeviceSeen
from manager.events import EngineEnded, MemorySeen, Tick
from manager.fixed import Fixed
from manager.specification import DeviceKind
from manager.supervision.leases import Lease
from tests.manager.bench import Bench, fixed, last

GPU = (("cuda:0",),)
HOST = DeviceSeen("cpu", DeviceKind.CPU, "cpu", 20, 20)


def see(bench: Bench, *devices: DeviceSeen) -> None:
    bench.now += 1
    bench.supervisor.handle(MemorySeen(bench.now, devices))


def test_who_waits_for_a_device_that_one_look_missed_goes_on_waiting() -> None:
    bench = Bench(fixed("a", 6, GPU), fixed("b", 6, GPU), devices={"cuda:0": 10, "cpu": 20})
    bench.serving("a")
    waiting = bench.open("b")
    see(bench, HOST)
    assert isinstance(last(waiting), Queued)
    see(bench, HOST)
    assert isinstance(last(waiting), Failed), "missed twice, it is gone"


def test_what_others_use_of_a_device_is_known_after_a_look_that_missed_it() -> None:
    bench = Bench(fixed("a", 6, GPU), devices={"cuda:0": 10, "cpu": 20})
    bench.open("a")
    bench.used["a"] = 5  # half way through its start
    see(bench, HOST)
    bench.pass_time(1)
    bench.see()
    assert bench.ledger.others("cuda:0") == 0
    bench.ready("a")
    assert bench.ledger.used("a") == 6


def test_devices_keep_their_order_after_a_look_that_missed_one() -> None:
    bench = Bench(devices={"cuda:0": 10, "cuda:1": 10, "cpu": 20})
    see(bench, HOST)
    bench.see()
    assert [device.id for device in bench.ledger.devices] == ["cuda:0", "cuda:1", "cpu"]


def test_a_device_that_came_between_the_first_catalogue_and_the_first_look_is_heeded() -> None:
    refits: list[tuple[str, ...]] = []

    class NewGpu(Bench):
        def see(self) -> None:
            """The devices that the catalogue was fitted to; the first look finds one more."""
            if not refits and "cuda:0" not in self.totals:
                self.ledger.see(self.now, (HOST,), ())
                self.totals = {"cuda:0": 10, "cpu": 20}
            super().see()

        def refit(self, devices: tuple[DeviceSeen, ...]) -> dict[str, Fixed]:
            refits.append(tuple(device.id for device in devices))
            return {}

    bench = NewGpu(fixed("a", 6, GPU), devices={"cpu": 20})
    bench.now += 1
    bench.see()
    assert refits == [("cuda:0", "cpu")]


def test_who_waits_for_a_model_whose_device_went_while_it_ran_is_told_what_the_box_lacks() -> None:
    bench = Bench(fixed("a", 6, GPU), devices={"cuda:0": 10, "cpu": 20})
    bench.serving("a")
    bench.model("a").fixed = replace(bench.model("a").fixed, places=(), lacks="needs 1 NVIDIA GPU")
    waiting = Lease("a", None)
    bench.model("a").leases.append(waiting)
    bench.died("a")
    assert bench.state("a") is ModelState.UNAVAILABLE
    failed = last(waiting)
    assert isinstance(failed, Failed)
    assert failed.code == "model_unavailable"


def test_who_waits_for_memory_that_nobody_can_see_any_more_is_told_so() -> None:
    bench = Bench(fixed("a", 6, GPU), fixed("b", 6, GPU), devices={"cuda:0": 10, "cpu": 20})
    bench.close(bench.serving("a"))
    waiting = bench.open("b")
    bench.supervisor.handle(EngineEnded("a", bench.run("a"), None))  # and no look follows
    for _ in range(59):
        bench.now += 1
        bench.supervisor.handle(Tick())
    assert isinstance(last(waiting), Queued)
    bench.now += 1
    bench.supervisor.handle(Tick())
    failed = last(waiting)
    assert isinstance(failed, Failed)
    assert "the memory of cuda:0 could not be read for 60 s" in failed.reason
