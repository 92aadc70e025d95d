"""A model that fails again and again: what is told of it, how often it is tried, and that nobody else suffers."""

import pytest

from contract.lease import Failed, Ready
from contract.states import ModelState
from manager.events import LoadWanted, MemorySeen, UnloadWanted
from manager.specification import Failure
from tests.manager.bench import CRASH, Bench, fixed, last, statuses

KILLED = Failure("engine_start_failed", "the engine was killed: out of host memory while starting", ("loading",))


@pytest.fixture
def bench() -> Bench:
    """Both models fit beside each other."""
    return Bench(fixed("a", 4), fixed("b", 4))


def fail(bench: Bench, model: str = "a", failure: Failure = CRASH) -> None:
    bench.open(model)
    bench.ended(model, failure)


def pause(bench: Bench) -> float | None:
    return bench.supervisor.statuses()[0].retry_after


@pytest.mark.parametrize("failure", [CRASH, KILLED])
def test_a_failed_model_shows_its_reason_its_last_words_and_when_it_is_tried_again(
    bench: Bench, failure: Failure
) -> None:
    for _ in range(4):
        fail(bench, failure=failure)
        bench.pass_time(8)
    fail(bench, failure=failure)
    status = bench.supervisor.statuses()[0]
    assert status.state is ModelState.FAILED
    assert (status.reason, status.log_tail, status.retry_after) == (failure.reason, failure.log_tail, 16)


def test_the_time_until_the_next_try_runs_down_and_is_gone_when_it_has_passed(bench: Bench) -> None:
    for _ in range(3):
        fail(bench)
        bench.pass_time(4)
    fail(bench)
    assert pause(bench) == 8
    bench.pass_time(7.5)
    assert pause(bench) == 1
    bench.pass_time(0.5)
    assert pause(bench) is None
    assert bench.supervisor.statuses()[0].reason == CRASH.reason


def test_a_pause_that_grows_shorter_is_no_news(bench: Bench) -> None:
    for _ in range(4):
        fail(bench)
        bench.pass_time(8)
    with bench.changes.listen() as listener:
        fail(bench)
        for _ in range(15):
            bench.pass_time(1)
        told = [(status.state, status.retry_after) for status in statuses(listener)]
    assert told[-1] == (ModelState.FAILED, 16)
    assert told.count((ModelState.FAILED, 16)) == 1
    assert all(state is not ModelState.FAILED for state, _ in told[:-1])


def test_the_pause_is_never_longer_than_five_minutes_however_often_it_fails(bench: Bench) -> None:
    for _ in range(2000):
        fail(bench)
        bench.pass_time(300)
    fail(bench)
    assert pause(bench) == 300
    refused = last(bench.open("a"))
    assert isinstance(refused, Failed)
    assert refused.retry_after == 300


def test_it_is_tried_again_only_for_somebody_who_asks(bench: Bench) -> None:
    fail(bench)
    bench.pass_time(3600)
    assert bench.effects.launched == ["a"]


def test_whoever_asks_for_it_by_hand_or_unloads_it_ends_the_pause(bench: Bench) -> None:
    for _ in range(4):
        fail(bench)
        bench.pass_time(8)
    fail(bench)
    bench.handle(LoadWanted("a"))
    assert bench.state("a") is ModelState.STARTING
    bench.ended("a", CRASH)
    assert pause(bench) == 32
    bench.handle(UnloadWanted("a"))
    status = bench.supervisor.statuses()[0]
    assert (status.state, status.reason, status.retry_after) == (ModelState.STOPPED, None, None)


def test_a_model_beside_one_that_fails_all_the_time_is_served_all_the_time(bench: Bench) -> None:
    good = bench.serving("b")
    for _ in range(20):
        fail(bench)
        bench.pass_time(300)
        assert bench.state("b") is ModelState.READY
        another = bench.open("b")
        bench.admit()
        assert isinstance(last(another), Ready)
        bench.close(another)
    assert isinstance(last(good), Ready)
    assert "b" not in bench.effects.ended


def test_a_device_that_is_gone_refuses_its_model_and_the_other_goes_on() -> None:
    """As when a GPU falls off the bus: the driver lists it no more."""
    bench = Bench(fixed("a", places=(("cuda:0",),)), fixed("b"), devices={"cpu": 10, "cuda:0": 10})
    bench.serving("b")
    del bench.totals["cuda:0"]
    for _ in range(2):  # one look alone may have been unlucky
        bench.now += 1
        bench.see()
    refused = last(bench.open("a"))
    assert isinstance(refused, Failed)
    assert "its device is not there: cuda:0" in refused.reason
    assert bench.supervisor.statuses()[0].retry_after == 1
    assert bench.state("b") is ModelState.READY


def test_a_device_that_comes_back_serves_its_model_again() -> None:
    bench = Bench(fixed("a", places=(("cuda:0",),)), devices={"cpu": 10, "cuda:0": 10})
    known = bench.ledger.devices
    for _ in range(2):
        bench.now += 1
        bench.supervisor.handle(MemorySeen(bench.now, known[:1]))
    refused = last(bench.open("a"))
    assert isinstance(refused, Failed)
    bench.now += 1
    bench.supervisor.handle(MemorySeen(bench.now, known))
    lease = bench.open("a")
    bench.ready("a")
    assert isinstance(last(lease), Ready)
