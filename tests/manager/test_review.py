"""Faults that a review of the manager found, each shown once: what is late, missed, broken or lost for a moment."""

import asyncio
import time
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, cast

import pytest

from contract.lease import Failed, Queued, Ready
from contract.states import ModelState
from manager.app import make_manager
from manager.box.devices import DeviceSeen
from manager.box.sight import Sight
from manager.engines.kind import SleepLevel
from manager.events import AdmissionFailed, EngineEnded, KeepWanted, LeaseOpened, MemorySeen, Tick
from manager.fixed import Fixed
from manager.runtimes.records import Record, RecordFolder
from manager.scheduling.stall import Rules
from manager.settings import ManagerSettings
from manager.specification import DeviceKind, EngineError, Found
from manager.supervision.leases import Lease
from tests.fakes.effects import FakeKind, level
from tests.fakes.runtime import FakeRuntime
from tests.manager.bench import CRASH, Bench, fixed, last

LIGHT, DEEP = level(1, keeps_weights=True), level(2, keeps_weights=False)
GPU = (("cuda:0",),)
HOST = DeviceSeen("cpu", DeviceKind.CPU, "cpu", 20, 20)


def sleeper(
    name: str,
    grant: int = 8,
    levels: tuple[SleepLevel, ...] = (LIGHT, DEEP),
    weights: int = 6,
    idle_timeout: float = 600,
) -> Fixed:
    kind = cast(Any, FakeKind(levels))
    return fixed(name, grant, GPU, kind=kind, weights=weights, idle_timeout=idle_timeout)


def see(bench: Bench, *devices: DeviceSeen) -> None:
    bench.now += 1
    bench.supervisor.handle(MemorySeen(bench.now, devices))


@pytest.mark.anyio
@pytest.mark.parametrize("steps", range(4))
async def test_a_sight_that_is_called_off_just_as_it_is_asked_to_look_ends(steps: int) -> None:
    sight = Sight(lambda seen: None, time.monotonic, lambda: (), interval=60, pause=0)
    watching = asyncio.create_task(sight.run())
    await asyncio.sleep(0.05)
    sight.look()
    for _ in range(steps):
        await asyncio.sleep(0)
    watching.cancel()
    done, _ = await asyncio.wait({watching}, timeout=5)
    watching.cancel()
    assert done, "a shutdown would wait for it for ever"


# Devices


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


def test_an_innocent_idle_model_does_not_go_because_memory_comes_back_late() -> None:
    bench = Bench(fixed("a", 6, GPU), fixed("c", 3, GPU), fixed("b", 6, GPU), devices={"cuda:0": 10, "cpu": 20})
    for model in ("a", "c"):
        bench.close(bench.serving(model))
        bench.pass_time(1)
    bench.open("b")
    bench.ended("a", kept=2)
    bench.pass_time(1)
    assert bench.effects.ended == ["a"]
    bench.others.clear()
    bench.see()
    assert bench.effects.launched == ["a", "c", "b"]


def test_memory_that_stays_away_is_others_and_then_somebody_else_goes() -> None:
    bench = Bench(fixed("a", 6, GPU), fixed("c", 3, GPU), fixed("b", 6, GPU), devices={"cuda:0": 10, "cpu": 20})
    for model in ("a", "c"):
        bench.close(bench.serving(model))
    bench.open("b")
    bench.ended("a", kept=2)
    bench.pass_time(5)
    assert bench.effects.ended == ["a", "c"]


# Host memory


def test_what_a_sleeper_keeps_in_host_memory_is_counted_once() -> None:
    light = sleeper("a", 6, (LIGHT,))
    on_host = fixed("h", 12, (("cpu",),))
    bench = Bench(light, on_host, devices={"cuda:0": 10, "cpu": 20}, rules=Rules(sleep_memory=10))
    bench.close(bench.serving("a"))
    bench.pass_time(600)
    bench.others["cpu"] = 6  # its weights
    bench.asleep("a")
    bench.pass_time(1)
    bench.see()
    assert bench.ledger.others("cpu") == 0
    bench.open("h")
    assert (bench.effects.launched, bench.effects.ended) == (["a", "h"], [])


def test_weights_that_go_to_sleep_in_host_memory_are_no_growth_of_who_works_there() -> None:
    bench = Bench(
        sleeper("a", 6, (LIGHT,), idle_timeout=60),
        fixed("h", 12, (("cpu",),)),
        devices={"cuda:0": 10, "cpu": 40},
        rules=Rules(sleep_memory=10),
    )
    bench.serving("h")
    bench.close(bench.serving("a"))
    bench.pass_time(60)
    bench.others["cpu"] = 6
    bench.see()
    bench.asleep("a")
    bench.pass_time(1)
    bench.see()
    assert (bench.ledger.used("h"), bench.ledger.others("cpu")) == (12, 0)


def test_a_model_that_is_to_sleep_waits_for_the_older_sleeper_that_makes_room_for_it() -> None:
    models = [sleeper(name) for name in ("a", "b", "c")]
    bench = Bench(*models, devices={"cuda:0": 10, "cpu": 100}, rules=Rules(sleep_memory=6))
    bench.close(bench.serving("a"))
    bench.pass_time(1)
    lease = bench.open("b")
    bench.asleep("a")
    bench.ready("b")
    bench.close(lease)
    bench.pass_time(1)
    bench.open("c")
    assert bench.effects.ended == ["a"]
    bench.pass_time(1)  # whatever happens meanwhile
    bench.ended("a")
    assert bench.effects.slept == [("a", 1), ("b", 1)]


# Leases, failures and times


def test_a_lease_that_could_not_be_admitted_is_admitted_when_that_has_passed() -> None:
    bench = Bench(fixed("a"))
    bench.serving("a")
    lease = Lease("a", "proxy")
    bench.handle(LeaseOpened(lease))
    _, run = bench.effects.admitted.pop()
    bench.handle(AdmissionFailed(lease, run))
    bench.pass_time(1)
    bench.admit()
    assert isinstance(last(lease), Ready)


def test_a_lease_that_was_closed_is_not_admitted_again() -> None:
    bench = Bench(fixed("a"))
    bench.serving("a")
    lease = Lease("a", "proxy")
    bench.handle(LeaseOpened(lease))
    _, run = bench.effects.admitted.pop()
    bench.handle(AdmissionFailed(lease, run))
    bench.close(lease)
    bench.pass_time(1)
    assert bench.effects.admitted == []


def fail(bench: Bench, times: int) -> None:
    for _ in range(times):
        bench.open("a")
        bench.ended("a", CRASH)
        bench.pass_time(400)


def retry_after(bench: Bench) -> float | None:
    lease = bench.open("a")
    bench.ended("a", CRASH)
    failed = last(lease)
    assert isinstance(failed, Failed)
    return failed.retry_after


def test_earlier_failures_are_forgotten_after_a_run_that_served_steadily_and_was_ended() -> None:
    bench = Bench(fixed("a"))
    fail(bench, 4)
    bench.close(bench.serving("a"))
    bench.pass_time(3600)
    bench.ended("a")
    assert retry_after(bench) == 1


def test_earlier_failures_are_not_forgotten_after_a_short_run() -> None:
    bench = Bench(fixed("a", idle_timeout=30))
    fail(bench, 4)
    bench.close(bench.serving("a"))
    bench.pass_time(30)
    bench.ended("a")
    assert retry_after(bench) == 16


@pytest.mark.anyio
async def test_nothing_is_evicted_right_after_an_adoption_that_took_long() -> None:
    bench = Bench(fixed("a"), fixed("b"))
    supervisor = bench.supervisor
    supervisor.policy = replace(supervisor.policy, settle=10)
    bench.adopt("a")
    bench.now += 60  # others were ended meanwhile, one by one
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0)
    bench.ready("a")
    bench.open("b")
    assert bench.effects.ended == []
    bench.pass_time(10)
    assert bench.effects.ended == ["a"]
    running.cancel()
    await asyncio.wait({running})


class Stubborn(FakeRuntime):
    """Has an engine that nobody wants and that does not end."""

    async def found(self) -> tuple[Found, ...]:
        return (Found("unknown", "c-unknown", "hash", running=True),)

    async def stop(self, container: str, grace: float) -> None:
        raise EngineError("docker_failed", "Docker: 500")


@pytest.mark.anyio
async def test_an_engine_of_an_earlier_manager_that_does_not_end_keeps_no_manager_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "models.json").write_text("{}")
    settings = ManagerSettings(
        catalogue=tmp_path / "models.json",
        models_dir=tmp_path,
        hub_dir=tmp_path / "hub",
        run_dir=tmp_path / "run",
        token_file=tmp_path / "run" / "token",
    )
    manager = make_manager(settings, Stubborn())
    await manager.adopt()
    await manager.effects.client.aclose()
    assert "c-unknown is not ended: Docker: 500" in caplog.text


# Records


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '"x"'])
def test_a_broken_record_of_a_process_counts_as_none_and_is_removed(tmp_path: Path, content: str) -> None:
    records = RecordFolder(tmp_path)
    records.write(Record("m", "good", "hash", 8000, 2**22 + 1, 0))
    (tmp_path / "c.json").write_text(content)
    (tmp_path / "c.exit").write_text("")
    assert records.status_of("c") is None
    assert [record.container for record in records.all()] == ["good"]
    assert not (tmp_path / "c.json").exists()


# What becomes of wishes, of a box that changes, and of memory that cannot be seen


def test_a_wish_to_be_kept_that_comes_while_the_last_engine_ends_holds_for_the_next() -> None:
    bench = Bench(fixed("a"))
    bench.close(bench.serving("a"))
    bench.pass_time(600)
    assert bench.state("a") is ModelState.STOPPING
    lease = bench.open("a")
    bench.handle(KeepWanted("a", inf))
    bench.ended("a")
    bench.ready("a")
    bench.close(lease)
    bench.pass_time(601)
    assert bench.state("a") is ModelState.READY


def test_a_wish_to_be_kept_ends_with_the_service_that_it_was_for() -> None:
    bench = Bench(fixed("a"), fixed("b"))
    bench.close(bench.serving("a"))
    bench.handle(KeepWanted("a", inf))
    waiting = bench.open("b")
    bench.ended("a")
    bench.ready("b")
    bench.close(waiting)
    lease = bench.open("a")
    bench.ended("b")
    bench.ready("a")
    bench.close(lease)
    bench.pass_time(601)
    assert bench.state("a") is ModelState.STOPPING


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


def test_where_stopping_a_sleeper_is_enough_the_one_that_is_awake_sleeps() -> None:
    models = sleeper("a", weights=4), sleeper("b", weights=4), sleeper("c", 10, weights=4)
    bench = Bench(*models, devices={"cuda:0": 10, "cpu": 100}, rules=Rules(sleep_memory=100))
    bench.close(bench.serving("a"))
    bench.pass_time(1)
    lease = bench.open("b")
    bench.asleep("a", residue=1)
    bench.ready("b")
    bench.close(lease)
    bench.pass_time(1)
    bench.open("c")
    assert (bench.effects.slept, bench.effects.ended) == ([("a", 1), ("b", 1)], ["a"])


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


def test_a_small_model_does_not_wait_behind_a_large_one_for_which_another_device_is_made_free() -> None:
    either = (("cuda:0",), ("cuda:1",))
    models = fixed("big", 9, either), fixed("hog", 9, GPU), fixed("half", 5, (("cuda:1",),)), fixed("small", 3, either)
    bench = Bench(*models, devices={"cuda:0": 10, "cuda:1": 10, "cpu": 10})
    bench.serving("hog")
    bench.serving("half")
    bench.pass_time(30)
    bench.open("big")
    bench.open("small")
    assert bench.state("hog") is ModelState.DRAINING
    assert bench.effects.launched == ["hog", "half", "small"]
