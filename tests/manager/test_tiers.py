"""Ready, asleep in host memory, stopped: how a model moves between them, seen through the supervisor."""

from math import inf

import pytest

from contract.lease import Failed, Queued, Ready, Waking
from contract.states import ModelState
from manager.events import KeepWanted, SleeperFound, UnloadWanted
from manager.fixed import Fixed
from manager.scheduling.lessons import Lessons
from manager.scheduling.stall import Rules
from manager.specification import Failure
from tests.fakes.effects import FakeKind, level, spec_of
from tests.manager.bench import Bench, fixed, last, told

GPU = (("cuda:0",),)
LEVELS = (level(1, keeps_weights=True), level(2, keeps_weights=False))
DEVICES = {"cuda:0": 10, "cpu": 20}


def sleeper(name: str, asleep_timeout: float = inf) -> Fixed:
    return fixed(name, 6, GPU, kind=FakeKind(LEVELS), asleep_timeout=asleep_timeout)


def bench_of(*models: Fixed, sleep_memory: int = 12) -> Bench:
    return Bench(*models, devices=DEVICES, rules=Rules(sleep_memory=sleep_memory))


@pytest.fixture
def bench() -> Bench:
    """Two models on one GPU that holds one of them, and host memory for both asleep."""
    return bench_of(sleeper("a", asleep_timeout=3600), sleeper("b"))


def asleep(bench: Bench, model: str, residue: int = 0) -> None:
    """The model has been used, was idle for its time, and sleeps."""
    bench.close(bench.serving(model))
    bench.pass_time(600)
    bench.asleep(model, residue)


def test_an_idle_model_goes_to_sleep_and_is_not_stopped(bench: Bench) -> None:
    bench.close(bench.serving("a"))
    bench.pass_time(600)
    assert (bench.effects.slept, bench.effects.ended) == ([("a", 1)], [])
    assert bench.state("a") is ModelState.SLEEPING
    bench.asleep("a")
    assert bench.state("a") is ModelState.ASLEEP


def test_a_sleeper_gives_its_device_back_and_keeps_host_memory(bench: Bench) -> None:
    asleep(bench, "a", residue=1)
    a = bench.supervisor.statuses()[0]
    assert (a.state, a.memory, a.host_memory, a.sleep_level) == (ModelState.ASLEEP, 1, 6, 1)
    gpu = bench.supervisor.devices()[0]
    assert (gpu.booked, gpu.free, gpu.models) == (1, 9, ("a",))


def test_a_request_wakes_a_sleeper_and_it_is_told_how_long_that_takes(bench: Bench) -> None:
    asleep(bench, "a")
    lease = bench.open("a")
    assert bench.effects.woken == ["a"]
    bench.pass_time(2)
    assert last(lease) == Waking(seconds=2)
    bench.awake("a")
    assert last(lease) == Ready(endpoint="http://engine:8000")
    assert bench.effects.launched == ["a"]
    assert bench.model("a").lessons.wake_seconds == 2


def test_a_model_makes_room_by_sleeping_and_both_come_and_go_without_a_cold_start(bench: Bench) -> None:
    bench.close(bench.serving("a"))
    waiting = bench.open("b")
    assert bench.effects.slept == [("a", 1)]
    assert isinstance(last(waiting), Queued)
    bench.asleep("a")
    bench.ready("b")
    bench.close(waiting)
    bench.open("a")
    bench.asleep("b")
    bench.awake("a")
    assert bench.effects.launched == ["a", "b"]
    assert bench.effects.ended == []


def test_a_busy_model_is_drained_before_it_sleeps(bench: Bench) -> None:
    holder = bench.serving("a")
    bench.open("b")
    bench.pass_time(30)
    assert bench.state("a") is ModelState.DRAINING
    assert bench.effects.slept == []
    bench.close(holder)
    assert bench.effects.slept == [("a", 1)]


def test_no_start_before_the_sleepers_memory_has_really_come_back(bench: Bench) -> None:
    bench.close(bench.serving("a"))
    bench.open("b")
    bench.asleep("a", residue=5)
    assert bench.effects.launched == ["a"], "5 of 10 bytes are not given back, and b needs 6"
    assert bench.effects.ended == ["a"], "so asleep it is too much, and it is stopped"
    bench.ended("a")
    assert bench.effects.launched == ["a", "b"]


def test_memory_that_does_not_come_back_when_an_engine_ends_is_waited_for() -> None:
    bench = Bench(fixed("a"), fixed("b"))
    bench.close(bench.serving("a"))
    bench.open("b")
    bench.ended("a", kept=5)
    bench.pass_time(2)
    assert bench.effects.launched == ["a"]
    bench.others.clear()
    bench.see()
    assert bench.effects.launched == ["a", "b"]


def test_what_a_sleeper_kept_is_remembered_and_counted_the_next_time(bench: Bench) -> None:
    asleep(bench, "a", residue=3)
    assert bench.effects.remembered["a"].residue == 3


def test_a_model_that_slept_for_long_is_stopped(bench: Bench) -> None:
    asleep(bench, "a")
    bench.pass_time(3599)
    assert bench.effects.ended == []
    bench.pass_time(1)
    assert bench.effects.ended == ["a"]


def test_weights_that_do_not_fit_into_the_host_budget_are_dropped() -> None:
    bench = bench_of(sleeper("a"), sleep_memory=5)
    bench.close(bench.serving("a"))
    bench.pass_time(600)
    assert bench.effects.slept == [("a", 2)]
    bench.asleep("a")
    assert bench.supervisor.statuses()[0].host_memory == 0


def test_the_longest_asleep_is_stopped_so_that_another_can_sleep() -> None:
    bench = bench_of(sleeper("a"), sleeper("b"), sleeper("c"))
    asleep(bench, "a")
    asleep(bench, "b")
    bench.close(bench.serving("c"))
    bench.open("a")
    assert (bench.effects.ended, bench.effects.slept[2:]) == (["b"], []), (
        "a is wanted, so b goes, though a sleeps longer"
    )
    bench.ended("b")
    assert bench.effects.slept[2:] == [("c", 1)]
    bench.asleep("c")
    assert bench.effects.woken == ["a"]


def test_a_model_that_cannot_sleep_on_its_device_is_stopped() -> None:
    bench = Bench(fixed("a"))
    bench.close(bench.serving("a"))
    bench.pass_time(600)
    assert (bench.effects.slept, bench.effects.ended) == ([], ["a"])


def test_a_model_that_is_wanted_while_it_falls_asleep_is_woken_when_it_sleeps(bench: Bench) -> None:
    bench.close(bench.serving("a"))
    bench.pass_time(600)
    lease = bench.open("a")
    assert isinstance(last(lease), Queued)
    assert bench.effects.woken == []
    bench.asleep("a")
    assert bench.effects.woken == ["a"]


def test_an_engine_that_cannot_sleep_after_all_is_gone_and_starts_cold_for_the_next(bench: Bench) -> None:
    bench.close(bench.serving("a"))
    bench.pass_time(600)
    bench.died("a", Failure("engine_sleep_failed", "status 500"))
    lease = bench.open("a")
    assert bench.effects.launched == ["a", "a"]
    bench.ready("a")
    assert isinstance(last(lease), Ready)


def test_an_engine_that_cannot_wake_is_started_cold_for_those_who_wait(bench: Bench) -> None:
    asleep(bench, "a")
    lease = bench.open("a")
    bench.died("a", Failure("engine_wake_failed", "status 500"))
    assert bench.effects.launched == ["a", "a"]
    bench.ready("a")
    events = told(lease)
    assert not any(isinstance(event, Failed) for event in events)
    assert isinstance(events[-1], Ready)


def test_an_unload_by_hand_ends_a_sleeper(bench: Bench) -> None:
    asleep(bench, "a")
    bench.handle(UnloadWanted("a"))
    assert bench.effects.ended == ["a"]
    bench.ended("a")
    assert bench.state("a") is ModelState.STOPPED
    assert bench.supervisor.devices()[0].booked == 0


@pytest.mark.parametrize(("keep", "idle", "gone"), [(60, 59, False), (60, 60, True), (inf, 10**6, False)])
def test_a_callers_wish_says_how_long_the_model_stays(bench: Bench, keep: float, idle: float, gone: bool) -> None:
    lease = bench.serving("a")
    bench.handle(KeepWanted("a", keep))
    bench.close(lease)
    bench.pass_time(idle)
    assert bool(bench.effects.slept) is gone


def test_a_callers_wish_of_no_time_at_all_unloads_and_does_not_sleep(bench: Bench) -> None:
    lease = bench.serving("a")
    bench.handle(KeepWanted("a", 0))
    assert bench.effects.ended == []
    bench.close(lease)
    assert (bench.effects.ended, bench.effects.slept) == (["a"], [])


def test_a_wish_is_over_with_the_run_that_it_was_made_for(bench: Bench) -> None:
    lease = bench.serving("a")
    bench.handle(KeepWanted("a", 0))
    bench.close(lease)
    bench.ended("a")
    bench.close(bench.serving("a"))
    bench.pass_time(599)
    assert bench.effects.ended == ["a"]


def test_a_peak_that_was_seen_books_the_model_higher_and_is_remembered(bench: Bench) -> None:
    lease = bench.serving("a")
    bench.used["a"] = 8
    bench.see()
    a = bench.supervisor.statuses()[0]
    assert (a.memory, a.peak) == (8, 8)
    assert bench.effects.remembered["a"].peak == 8
    bench.close(lease)


def test_what_earlier_managers_learned_is_known_at_once() -> None:
    bench = Bench()
    bench.effects.remembered["a"] = Lessons(start_seconds=40, peak=8)
    bench.supervisor.take({"a": fixed("a")})
    assert bench.supervisor.statuses()[0].memory == 8
    assert bench.model("a").usual_seconds == 40


def test_an_engine_that_an_earlier_manager_left_asleep_sleeps_on_and_is_woken(bench: Bench) -> None:
    bench.effects.remembered["a"] = Lessons(peak=6, residue=1)
    bench.supervisor.take({"a": bench.model("a").fixed})
    bench.adopt("a")
    bench.used["a"] = 1
    waiting = bench.open("a")
    bench.handle(SleeperFound("a", 1, spec_of("a", GPU[0]), LEVELS[-1]))
    assert bench.effects.woken == ["a"]
    bench.awake("a")
    assert isinstance(last(waiting), Ready)
    assert bench.effects.launched == []


def test_a_sleeper_that_fits_beside_all_that_others_wait_for_wakes_at_once() -> None:
    bench = bench_of(sleeper("a"), fixed("b", 6, GPU), fixed("small", 3, GPU, kind=FakeKind(LEVELS)))
    bench.close(bench.serving("small"))
    bench.pass_time(600)
    bench.asleep("small")
    bench.serving("a")
    bench.open("b")
    bench.pass_time(1)
    assert bench.state("b") is ModelState.QUEUED, "a has its share of time first"
    bench.open("small")
    assert bench.effects.woken == ["small"], "3 of 10 bytes, beside the 6 that b waits for"


def test_a_sleeper_that_does_not_fit_beside_what_others_wait_for_takes_its_turn() -> None:
    bench = bench_of(fixed("a", 5, GPU), fixed("b", 9, GPU), fixed("small", 3, GPU, kind=FakeKind(LEVELS)))
    bench.close(bench.serving("small"))
    bench.pass_time(600)
    bench.asleep("small")
    bench.serving("a")
    bench.open("b")
    bench.open("small")
    bench.pass_time(1)
    assert bench.effects.woken == []


def test_an_idle_model_does_not_go_to_sleep_while_another_starts_beside_it() -> None:
    bench = bench_of(sleeper("a"), fixed("b", 3, GPU))
    bench.close(bench.serving("a"))
    bench.pass_time(599)
    bench.open("b")
    bench.pass_time(1)
    assert bench.effects.slept == [], "what the two take and leave at once could not be told apart"
    bench.ready("b")
    bench.pass_time(1)
    assert bench.effects.slept == [("a", 1)]


def test_more_than_it_is_booked_with_is_not_believed_of_a_model_in_host_memory() -> None:
    bench = Bench(fixed("a"))
    bench.serving("a")
    bench.used["a"] = 9
    bench.see()
    a = bench.supervisor.statuses()[0]
    assert (a.memory, a.peak) == (6, 6)
    assert bench.supervisor.devices()[0].others == 3


def test_a_model_that_only_other_programs_keep_out_is_refused_in_time_and_told_so() -> None:
    bench = Bench(fixed("a"))
    bench.others["cpu"] = 5
    bench.see()
    lease = bench.open("a")
    bench.pass_time(19)
    assert isinstance(last(lease), Queued)
    bench.pass_time(1)
    refused = last(lease)
    assert isinstance(refused, Failed)
    assert refused.code == "insufficient_memory"
    assert "other programs (5 B)" in refused.reason
    bench.others.clear()
    bench.see()
    bench.pass_time(1)
    bench.open("a")
    assert bench.effects.launched == ["a"]


def test_a_model_that_found_no_room_is_heard_again_at_once_however_often_that_was() -> None:
    bench = Bench(fixed("a"), rules=Rules(patience=0))
    bench.others["cpu"] = 5
    bench.see()
    for _ in range(5):
        refused = last(bench.open("a"))
        assert isinstance(refused, Failed)
        assert refused.retry_after == 1
        bench.pass_time(1)


def test_nobody_waits_behind_a_model_that_only_other_programs_keep_out() -> None:
    bench = Bench(fixed("a"), fixed("small", 2))
    bench.others["cpu"] = 5
    bench.see()
    bench.open("a")
    bench.open("small")
    assert bench.effects.launched == ["small"]
