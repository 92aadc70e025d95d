"""The supervisor, event by event, on a clock that only the tests move."""

from itertools import pairwise

import pytest

from contract.lease import Drain, Failed, Queued, Ready, Starting
from contract.states import ModelState
from manager.events import EngineDied, EngineReady, LoadWanted, PhaseReached, ShutdownWanted, UnloadWanted
from tests.fakes.effects import spec_of
from tests.manager.bench import CRASH, DEATH, Bench, fixed, last, statuses, told


@pytest.fixture
def bench() -> Bench:
    """Models a, b (6 of 10 bytes each: one at a time) and x, which cannot run here."""
    return Bench(fixed("a"), fixed("b"), fixed("x", lacks="needs 1 NVIDIA GPU"))


def test_a_first_lease_starts_the_engine_and_is_told_the_endpoint(bench: Bench) -> None:
    lease = bench.open("a")
    assert bench.effects.launched == ["a"]
    assert isinstance(last(lease), Starting)
    bench.ready("a")
    assert last(lease) == Ready(endpoint="http://engine:8000")
    assert bench.state("a") is ModelState.READY


def test_eight_leases_at_once_start_one_engine_and_all_are_served(bench: Bench) -> None:
    leases = [bench.open("a") for _ in range(8)]
    bench.ready("a")
    assert bench.effects.launched == ["a"]
    assert all(isinstance(last(lease), Ready) for lease in leases)


def test_a_caller_that_gives_up_does_not_stop_the_load(bench: Bench) -> None:
    bench.close(bench.open("a"))
    assert bench.effects.ended == []
    bench.ready("a")
    assert bench.state("a") is ModelState.READY


def test_a_caller_that_gives_up_before_there_is_room_does_not_stop_the_load(bench: Bench) -> None:
    bench.close(bench.serving("a"))
    bench.close(bench.open("b"))
    assert bench.state("b") is ModelState.QUEUED
    bench.ended("a")
    assert bench.effects.launched == ["a", "b"]
    bench.ready("b")
    bench.handle(UnloadWanted("b"))
    bench.ended("b")
    assert bench.state("b") is ModelState.STOPPED, "the want was met, and is not met twice"


def test_a_caller_that_gives_up_during_the_pause_after_deaths_does_not_stop_the_load(bench: Bench) -> None:
    for _ in range(2):
        bench.open("a")
        bench.ready("a")
        bench.died("a")
    bench.close(bench.open("a"))
    assert bench.effects.launched == ["a", "a"]
    bench.pass_time(2)
    assert bench.effects.launched == ["a", "a", "a"]


def test_a_want_whose_caller_left_drains_nobody_and_comes_after_those_who_wait(bench: Bench) -> None:
    holder = bench.serving("a")
    bench.close(bench.open("b"))
    bench.pass_time(31)
    assert bench.state("a") is ModelState.READY
    again = bench.open("b")
    assert bench.state("a") is ModelState.DRAINING
    bench.close(again)
    late = bench.open("a")
    bench.close(holder)
    bench.ended("a")
    assert bench.effects.launched == ["a", "a"]
    assert isinstance(last(late), Starting)


def test_a_want_whose_caller_left_long_ago_is_forgotten(bench: Bench) -> None:
    holder = bench.serving("a")
    bench.close(bench.open("b"))
    bench.pass_time(899)
    assert bench.state("b") is ModelState.QUEUED
    bench.pass_time(1)
    assert bench.state("b") is ModelState.STOPPED
    bench.close(holder)
    assert bench.effects.ended == []


def test_an_unload_by_hand_forgets_a_want_whose_caller_left(bench: Bench) -> None:
    bench.close(bench.serving("a"))
    bench.close(bench.open("b"))
    bench.handle(UnloadWanted("b"))
    bench.ended("a")
    assert bench.effects.launched == ["a"]


def test_a_caller_that_gives_up_after_an_unload_by_hand_does_not_undo_it(bench: Bench) -> None:
    lease = bench.open("a")
    bench.pass_time(1)
    bench.handle(UnloadWanted("a"))
    bench.close(lease)
    bench.ended("a")
    assert bench.state("a") is ModelState.STOPPED
    assert bench.effects.launched == ["a"]


def test_phases_and_seconds_of_a_start_are_told_and_the_usual_time_is_learned(bench: Bench) -> None:
    lease = bench.open("a")
    bench.handle(PhaseReached("a", 1, "loading weights"))
    bench.pass_time(12)
    assert last(lease) == Starting(phase="loading weights", seconds=12)
    bench.ready("a")
    bench.close(lease)
    bench.handle(UnloadWanted("a"))
    bench.ended("a")
    again = bench.open("a")
    bench.pass_time(3)
    assert last(again) == Starting(phase="starting", seconds=3, usual_seconds=12)


def test_a_failed_start_is_told_to_all_who_wait_with_reason_and_log(bench: Bench) -> None:
    leases = [bench.open("a"), bench.open("a")]
    bench.ended("a", CRASH)
    for lease in leases:
        assert last(lease) == Failed(
            code="engine_start_failed", reason=CRASH.reason, log_tail=CRASH.log_tail, retry_after=1
        )
    assert bench.state("a") is ModelState.FAILED


def test_a_model_that_failed_is_not_tried_again_before_its_time_and_the_pause_doubles(bench: Bench) -> None:
    for pause in (1, 2, 4, 8):
        bench.open("a")
        bench.ended("a", CRASH)
        refused = last(bench.open("a"))
        assert isinstance(refused, Failed)
        assert refused.retry_after == pause
        bench.pass_time(pause)
    bench.open("a")
    assert bench.effects.launched == ["a"] * 5


def test_a_load_asked_for_by_hand_does_not_wait_for_the_pause(bench: Bench) -> None:
    bench.open("a")
    bench.ended("a", CRASH)
    bench.handle(LoadWanted("a"))
    assert bench.effects.launched == ["a", "a"]


def test_an_unload_by_hand_forgets_earlier_failures(bench: Bench) -> None:
    for _ in range(3):
        bench.open("a")
        bench.ended("a", CRASH)
        bench.pass_time(60)
    bench.handle(UnloadWanted("a"))
    assert bench.state("a") is ModelState.STOPPED
    assert bench.supervisor.statuses()[0].reason is None
    bench.open("a")
    bench.ended("a", CRASH)
    assert bench.supervisor.models["a"].retry_at - bench.now == 1


def test_a_model_that_cannot_run_here_says_so_at_once(bench: Bench) -> None:
    refused = last(bench.open("x"))
    assert isinstance(refused, Failed)
    assert refused.code == "model_unavailable"
    assert "needs 1 NVIDIA GPU" in refused.reason
    assert bench.effects.launched == []


def test_an_idle_model_makes_room_for_another(bench: Bench) -> None:
    bench.close(bench.serving("a"))
    waiting = bench.open("b")
    assert bench.effects.ended == ["a"]
    assert isinstance(last(waiting), Queued)
    bench.ended("a")
    assert bench.effects.launched == ["a", "b"]


def test_no_start_before_the_memory_of_the_stopped_one_is_back(bench: Bench) -> None:
    bench.close(bench.serving("a"))
    bench.open("b")
    bench.pass_time(25)
    assert bench.effects.launched == ["a"]


def test_a_busy_model_is_drained_after_its_share_and_its_holder_finishes_first(bench: Bench) -> None:
    holder = bench.serving("a")
    bench.open("b")
    bench.pass_time(29)
    assert bench.state("a") is ModelState.READY
    bench.pass_time(1)
    assert last(holder) == Drain(seconds=120)
    assert bench.effects.ended == []
    bench.close(holder)
    assert bench.effects.ended == ["a"]


def test_what_is_still_in_flight_at_the_drain_bound_is_cut_with_a_reason(bench: Bench) -> None:
    holder = bench.serving("a")
    bench.open("b")
    bench.pass_time(30)
    bench.pass_time(120)
    cut = last(holder)
    assert isinstance(cut, Failed)
    assert cut.code == "drained"
    assert bench.effects.ended == ["a"]


def test_a_drains_bound_holds_however_much_else_goes_on(bench: Bench) -> None:
    bench.serving("a")
    bench.handle(UnloadWanted("a"))
    for _ in range(240):
        bench.now += 0.5
        bench.close(bench.open("x"))
    assert bench.effects.ended == ["a"]


def test_two_hot_models_take_turns(bench: Bench) -> None:
    holder = bench.serving("a")
    for current, other in (("a", "b"), ("b", "a")) * 3:
        waiting = bench.open(other)
        bench.pass_time(30)
        bench.close(holder)
        assert bench.state(current) is ModelState.STOPPING
        bench.ended(current)
        bench.ready(other)
        holder = waiting
    assert bench.effects.launched == ["a", "b", "a", "b", "a", "b", "a"]


def test_requests_that_come_while_a_model_drains_wait_and_bring_it_back(bench: Bench) -> None:
    holder = bench.serving("a")
    bench.handle(UnloadWanted("a"))
    late = bench.open("a")
    assert isinstance(last(late), Queued)
    bench.close(holder)
    bench.ended("a")
    assert bench.effects.launched == ["a", "a"]
    bench.ready("a")
    assert isinstance(last(late), Ready)


def test_an_engine_that_dies_is_told_to_its_holders_and_comes_back_for_the_next(bench: Bench) -> None:
    holder = bench.serving("a")
    bench.pass_time(5)
    bench.died("a")
    cut = last(holder)
    assert isinstance(cut, Failed)
    assert cut.code == "engine_died"
    assert isinstance(last(bench.open("a")), Starting), "one death is no crash loop: the next request does not wait"
    assert bench.effects.launched == ["a", "a"]


def test_a_death_is_told_before_the_traces_are_removed_and_the_next_lease_waits_for_that(bench: Bench) -> None:
    holder = bench.serving("a")
    bench.handle(EngineDied("a", 1, DEATH))
    assert isinstance(last(holder), Failed)
    waiting = bench.open("a")
    bench.pass_time(5)
    assert isinstance(last(waiting), Queued)
    assert bench.effects.launched == ["a"]
    bench.ended("a")
    assert bench.effects.launched == ["a", "a"]


def test_an_engine_that_crashes_in_a_loop_is_started_ever_more_rarely(bench: Bench) -> None:
    pauses = []
    for _ in range(4):
        bench.open("a")
        while bench.state("a") is not ModelState.STARTING:
            bench.pass_time(0.5)
        bench.ready("a")
        bench.died("a")
        pauses.append(bench.supervisor.models["a"].retry_at - bench.now)
    assert pauses == [0, 2, 4, 8]


def test_the_pause_is_short_again_after_a_good_while(bench: Bench) -> None:
    for _ in range(3):
        bench.open("a")
        bench.pass_time(4)
        bench.ready("a")
        bench.died("a")
    bench.open("a")
    bench.pass_time(8)
    bench.ready("a")
    bench.pass_time(61)
    bench.died("a")
    assert bench.supervisor.models["a"].retry_at == bench.now


def test_news_of_a_run_that_is_over_changes_nothing(bench: Bench) -> None:
    bench.open("a")
    bench.ended("a", CRASH)
    bench.handle(LoadWanted("a"))
    bench.handle(EngineReady("a", 1, spec_of("a")))
    assert bench.state("a") is ModelState.STARTING


def test_a_lease_that_was_not_yet_admitted_when_the_drain_began_waits(bench: Bench) -> None:
    bench.serving("a")
    late = bench.open("a")
    bench.handle(UnloadWanted("a"))
    bench.admit()
    assert not any(isinstance(event, Ready) for event in told(late))


def test_an_idle_model_is_stopped_after_its_idle_time(bench: Bench) -> None:
    bench.close(bench.serving("a"))
    bench.pass_time(599)
    assert bench.effects.ended == []
    bench.pass_time(1)
    assert bench.effects.ended == ["a"]


def test_a_shutdown_drains_then_ends_all_engines_and_then_the_supervisor(bench: Bench) -> None:
    holder = bench.serving("a")
    waiting = bench.open("b")
    bench.handle(ShutdownWanted())
    assert last(holder) == Drain(seconds=5)
    assert isinstance(last(waiting), Failed)
    assert isinstance(last(bench.open("a")), Failed)
    assert not bench.supervisor.ended.is_set()
    bench.pass_time(5)
    assert bench.effects.ended == ["a"]
    bench.ended("a")
    assert bench.supervisor.ended.is_set()


def test_each_change_of_state_is_published_once(bench: Bench) -> None:
    with bench.changes.listen() as messages:
        bench.close(bench.serving("a"))
        bench.handle(UnloadWanted("a"))
        bench.ended("a")
        published = [status for status in statuses(messages) if status.name == "a"]
    states = [status.state for status in published]
    changes = [state for state, before in zip(states, [None, *states], strict=False) if state is not before]
    assert changes == [ModelState.STARTING, ModelState.READY, ModelState.STOPPING, ModelState.STOPPED]
    assert all(first != second for first, second in pairwise(published))


def test_an_adopted_engine_serves_without_a_start(bench: Bench) -> None:
    bench.adopt("a")
    lease = bench.open("a")
    bench.ready("a")
    assert bench.effects.launched == []
    assert isinstance(last(lease), Ready)


def test_an_engine_that_dies_while_it_is_adopted_is_started_anew_for_those_who_wait(bench: Bench) -> None:
    bench.adopt("a")
    waiting = bench.open("a")
    assert last(waiting) == Starting(phase="adopting", seconds=0)
    bench.ended("a", CRASH)
    assert bench.effects.launched == ["a"]
    assert not any(isinstance(event, Failed) for event in told(waiting))
    assert isinstance(last(bench.open("a")), Starting), "nor is the next request turned away"
    bench.ready("a")
    assert isinstance(last(waiting), Ready)


def test_an_engine_that_dies_while_it_is_adopted_and_cannot_start_again_says_why(bench: Bench) -> None:
    bench.adopt("a")
    waiting = bench.open("a")
    bench.ended("a", CRASH)
    bench.ended("a", CRASH)
    failed = last(waiting)
    assert isinstance(failed, Failed)
    assert failed.reason == CRASH.reason
