"""Who makes room, to the byte: what each gives back and where, what is on its way, and who is spared."""

from dataclasses import replace

import pytest

from contract.states import ModelState
from manager.scheduling.stall import Bed, Rules, Sleep, Start, Stop, Track
from tests.manager.stalls import DEEP, LIGHT, NOW, READY, asleep, decided, stall
from tests.manager.test_eviction import IN_TURN, WANTED, idle, victims


def test_only_what_cannot_be_spared_goes_whoever_would_go_first() -> None:
    a, b, c = stall("a", READY, 2, last_used=1), stall("b", READY, 2, last_used=2), stall("c", READY, 8, last_used=3)
    assert victims(8, c, a) == ("c",)
    assert victims(9, a, b, c) == ("a", "c")
    assert victims(1, stall("tiny", READY, 1)) == ("tiny",)


def test_who_comes_back_at_once_goes_before_who_takes_a_second() -> None:
    at_once = stall("at once", READY, 5, last_used=NOW - 100, comeback=0.5)
    later = stall("later", READY, 5, last_used=NOW - 150, comeback=1)
    assert decided(at_once, later, stall("c", need=4, wanted_since=9)) == (Stop("at once", "makes room"),)


# To the byte


def test_a_model_as_large_as_its_device_starts_when_all_of_it_is_free() -> None:
    wanted = stall("w", need=10, wanted_since=IN_TURN)
    assert decided(wanted) == (Start("w", ("cpu",)),)
    assert decided(stall("a", READY, 6), wanted) == (Stop("a", "makes room"),)


@pytest.mark.parametrize(("seconds", "goes"), [(2.9, False), (3.0, True)])
def test_memory_that_is_on_its_way_and_memory_that_is_late_are_waited_for_together(seconds: float, goes: bool) -> None:
    track = Track(10, 9, changed_at=NOW - seconds, late=1)
    leaving, made = stall("leaving", ModelState.STOPPING, 2, leaving=2), stall("a", READY, 3)
    wanted = stall("w", need=7, wanted_since=IN_TURN)
    assert decided(leaving, made, wanted, cpu=track) == ((Stop("a", "makes room"),) if goes else ())


def test_nobody_is_stopped_for_host_memory_that_would_not_be_enough() -> None:
    one, sleeper = stall("one", READY, 1, pinned=True), asleep("s", host=5)
    wanted = stall("c", need=10, wanted_since=NOW)
    assert decided(one, sleeper, wanted, cuda_0=10) == ()
    assert decided(sleeper, replace(wanted, need=9, grant=9), cuda_0=10) == (Stop("s", "makes room"),)


def test_who_would_give_nothing_back_asleep_is_stopped() -> None:
    made = idle("a", 6, residue=6)
    assert decided(made, replace(WANTED, need=5, grant=5), rules=Rules(sleep_memory=9), cuda_0=10) == (
        Stop("a", "makes room"),
    )


def test_who_is_awake_sleeps_before_a_sleeper_is_stopped_and_both_before_anybody_awake_is() -> None:
    sleeper, awake = asleep("s", residue=3, on="cuda:0"), idle("a", 6, residue=1)
    rules = Rules(sleep_memory=9)
    small, large = (replace(WANTED, need=need, grant=need) for need in (4, 8))
    assert decided(sleeper, awake, small, rules=rules, cuda_0=10) == (Sleep("a", LIGHT, "makes room"),)
    assert set(decided(sleeper, awake, large, rules=rules, cuda_0=10)) == {
        Sleep("a", LIGHT, "makes room"),
        Stop("s", "makes room"),
    }


@pytest.mark.parametrize(
    ("residue", "beds", "need", "goes"),
    [(2, (LIGHT,), 6, False), (2, (LIGHT,), 7, True), (2, (), 8, False), (2, (), 9, True), (0, (), 8, False)],
)
def test_what_one_victim_will_give_back_on_a_second_device_is_counted_for_who_waits_there(
    residue: int, beds: tuple[Bed, ...], need: int, goes: bool
) -> None:
    """On the second GPU 10 bytes: 6 are the victim's, 3 another's who may go, 1 leaves already."""
    both = stall("both", READY, 6, "cuda:0+cuda:1", beds=beds, residue=residue, weights=1)
    other = stall("other", READY, 2, "cuda:1", last_used=5)
    leaves = stall("leaves", ModelState.SLEEPING, 1, "cuda:1", leaving=1)
    first = stall("first", need=8, on="cuda:0", wanted_since=1)
    second = stall("second", need=need, on="cuda:1", wanted_since=2)
    known = (both, other, leaves, first, second)
    actions = decided(*known, rules=Rules(sleep_memory=9), cuda_0=10, cuda_1=10)
    assert [action.name for action in actions] == ["both", "other"][: 1 + goes]


def test_a_sleeper_that_holds_nothing_of_a_device_gives_nothing_back_there() -> None:
    sleeper, awake = asleep("s", host=5), stall("y", READY, 5, "cuda:0")
    on_host, on_gpu = stall("c", need=6, wanted_since=1), stall("w", need=6, on="cuda:0", wanted_since=2)
    assert decided(sleeper, awake, on_host, on_gpu, cuda_0=10) == (Stop("s", "makes room"), Stop("y", "makes room"))


# Host memory for those who are to sleep


def test_a_sleeper_on_its_way_out_is_waited_for_and_nobody_else_goes() -> None:
    leaving = replace(asleep("leaving", host=4), state=ModelState.STOPPING)
    newer = asleep("newer", host=4, last_used=2)
    victim = idle("a", 8, last_used=3)
    assert decided(leaving, newer, victim, WANTED, rules=Rules(sleep_memory=8), cuda_0=10, cpu=100) == ()


@pytest.mark.parametrize(
    ("weights", "host", "actions"),
    [
        (9, 9, (Stop("s", "makes room for another to sleep"),)),
        (10, 9, (Sleep("a", DEEP, "makes room"),)),
        (9, 0, (Sleep("a", LIGHT, "makes room"),)),
    ],
    ids=["all of it", "more than there is", "nothing is taken"],
)
def test_no_sleeper_is_stopped_for_weights_that_never_fit(weights: int, host: int, actions: tuple[object, ...]) -> None:
    sleeper, victim = asleep("s", host=host, last_used=1), idle("a", 8, weights=weights, last_used=3)
    assert decided(sleeper, victim, WANTED, rules=Rules(sleep_memory=9), cuda_0=10, cpu=100) == actions


def test_no_sleeper_is_stopped_where_that_would_not_be_enough() -> None:
    sleeper, newer = asleep("s", host=1, last_used=1), asleep("newer", host=8, last_used=5)
    victim = idle("a", 8, last_used=3)
    assert decided(sleeper, newer, victim, WANTED, rules=Rules(sleep_memory=9), cuda_0=10, cpu=100) == (
        Sleep("a", DEEP, "makes room"),
    )


def test_two_that_are_to_sleep_together_have_a_sleeper_each_stopped_for_them() -> None:
    sleepers = [asleep(name, host=4, last_used=used) for name, used in (("s", 1), ("t", 2))]
    a, b = idle("a", 5, last_used=3), idle("b", 5, weights=8, last_used=4)
    wanted = replace(WANTED, need=10, grant=10)
    assert decided(*sleepers, a, b, wanted, rules=Rules(sleep_memory=8), cuda_0=10, cpu=100) == (
        Stop("s", "makes room for another to sleep"),
        Stop("t", "makes room for another to sleep"),
    )


# Rest, of several


def test_whoever_has_to_stay_keeps_nobody_else_from_resting() -> None:
    tired = idle("m", 2, last_used=NOW - 60, idle_timeout=60.0)
    pinned, elsewhere = replace(tired, name="p", pinned=True), replace(tired, name="e", place=("cuda:1",))
    starting = stall("starting", ModelState.STARTING, 2, "cuda:0")
    assert decided(pinned, tired, cuda_0=10) == (Sleep("m", DEEP, "idle"),)
    assert decided(starting, tired, elsewhere, cuda_0=10, cuda_1=10) == (Sleep("e", DEEP, "idle"),)


def test_a_model_that_is_to_stay_for_a_second_sleeps_then() -> None:
    made = idle("a", last_used=NOW - 1, idle_timeout=1)
    assert decided(made, rules=Rules(sleep_memory=9), cuda_0=10) == (Sleep("a", LIGHT, "idle"),)
