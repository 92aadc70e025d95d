"""A herd of leases at a model that is cold, loaded, draining or asleep: bounded, and none is forgotten."""

from collections import Counter

import pytest

from contract.lease import Drain, Failed, LeaseEvent, Queued, Ready, Starting
from contract.states import ModelState
from manager.events import ShutdownWanted, UnloadWanted
from manager.supervision.leases import Lease
from tests.manager.bench import CRASH, Bench, fixed, last

BOUND = 64
HERD = 500


@pytest.fixture
def bench() -> Bench:
    """Of a and b, one fits."""
    return Bench(fixed("a"), fixed("b"), leases=BOUND)


def open_herd(bench: Bench, model: str) -> list[Lease]:
    herd = [bench.open(model) for _ in range(HERD)]
    bench.admit()
    return herd


def kinds(leases: list[Lease]) -> Counter[type[LeaseEvent]]:
    """What each was told last."""
    return Counter(type(last(lease)) for lease in leases)


def assert_turned_away(leases: list[Lease]) -> None:
    """At once, with a time to come back."""
    for lease in leases:
        refused = last(lease)
        assert isinstance(refused, Failed)
        assert (refused.code, refused.retry_after) == ("overloaded", 5)
        assert f"{BOUND} leases of a are open" in refused.reason


def test_a_herd_at_a_cold_model_is_one_start_and_a_bounded_number_that_waits(bench: Bench) -> None:
    herd = open_herd(bench, "a")
    assert bench.effects.launched == ["a"]
    assert kinds(herd[:BOUND]) == {Starting: BOUND}
    assert_turned_away(herd[BOUND:])
    bench.ready("a")
    assert kinds(herd[:BOUND]) == {Ready: BOUND}


def test_a_herd_at_a_loaded_model_is_bounded_in_the_same_way(bench: Bench) -> None:
    holder = bench.serving("a")
    herd = open_herd(bench, "a")
    assert kinds([holder, *herd[: BOUND - 1]]) == {Ready: BOUND}
    assert_turned_away(herd[BOUND - 1 :])
    bench.close(holder)
    again = bench.open("a")
    bench.admit()
    assert isinstance(last(again), Ready), "who was turned away finds room when somebody has left"


def test_a_herd_that_leaves_makes_room_for_a_herd(bench: Bench) -> None:
    for lease in open_herd(bench, "a"):
        bench.close(lease)
    assert bench.model("a").leases == []
    assert kinds(open_herd(bench, "a")[:BOUND]) == {Starting: BOUND}
    assert bench.effects.launched == ["a"]


def test_all_of_a_herd_hear_of_a_failed_start_and_none_is_kept(bench: Bench) -> None:
    herd = open_herd(bench, "a")
    bench.ended("a", CRASH)
    assert kinds(herd[:BOUND]) == {Failed: BOUND}
    assert bench.model("a").leases == []


def test_all_of_a_herd_hear_of_a_drain_and_who_comes_then_waits_for_the_next_engine(bench: Bench) -> None:
    herd = open_herd(bench, "a")[:BOUND]
    bench.ready("a")
    bench.handle(UnloadWanted("a"))
    assert kinds(herd) == {Drain: BOUND}
    for lease in herd[1:]:
        bench.close(lease)
    late = bench.open("a")
    assert isinstance(last(late), Queued)
    bench.close(herd[0])
    bench.ended("a")
    bench.ready("a")
    assert isinstance(last(late), Ready)


def test_at_the_managers_end_all_who_wait_are_told_and_nothing_new_begins(bench: Bench) -> None:
    holder = bench.serving("a")
    waiting = [bench.open("b") for _ in range(50)]
    bench.handle(ShutdownWanted())
    late = bench.open("b")
    for lease in (*waiting, late):
        refused = last(lease)
        assert isinstance(refused, Failed)
        assert (refused.code, refused.retry_after) == ("manager_stopping", 1)
    assert last(holder) == Drain(seconds=5)
    bench.close(holder)
    bench.ended("a")
    assert bench.effects.launched == ["a"]
    assert bench.supervisor.ended.is_set()


def test_told_to_end_a_second_time_it_waits_for_nobody(bench: Bench) -> None:
    holder = bench.serving("a")
    bench.handle(ShutdownWanted())
    assert (bench.state("a"), bench.effects.hurried) == (ModelState.DRAINING, [])
    bench.handle(ShutdownWanted())
    cut = last(holder)
    assert isinstance(cut, Failed)
    assert cut.code == "drained"
    assert (bench.effects.ended, bench.effects.hurried) == (["a"], ["a"])
    bench.ended("a")
    assert bench.supervisor.ended.is_set()
