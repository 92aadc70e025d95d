"""Who makes room, and how: beds, host memory, the order of victims, rest after idle time."""

from dataclasses import replace

import pytest

from contract.states import ModelState
from manager.scheduling.stall import Drain, Rules, Sleep, Stall, Start, Stop, Track
from manager.scheduling.victims import choose_victims
from tests.manager.stalls import DEEP, LIGHT, NOW, READY, asleep, decided, stall

IN_TURN = 9.0
WANTED = stall("w", on="cuda:0", wanted_since=IN_TURN)


def idle(name: str, need: int = 6, weights: int = 4, **known: object) -> Stall:
    """A model on the first GPU that is used by nobody and sleeps in every way."""
    made = stall(name, READY, need, "cuda:0", beds=(LIGHT, DEEP), weights=weights)
    return replace(made, **known)  # type: ignore[arg-type]


# Beds and the host's memory


@pytest.mark.parametrize(
    ("sleep_memory", "host", "action"),
    [
        (4, Track(10, 10), Sleep("a", LIGHT, "makes room")),
        (3, Track(10, 10), Sleep("a", DEEP, "makes room")),
        (0, Track(10, 10), Sleep("a", DEEP, "makes room")),
        (4, Track(10, 3), Sleep("a", DEEP, "makes room")),
    ],
)
def test_the_lightest_bed_that_fits_into_host_memory_is_taken(sleep_memory: int, host: Track, action: Sleep) -> None:
    assert decided(idle("a"), WANTED, rules=Rules(sleep_memory=sleep_memory), cuda_0=10, cpu=host) == (action,)


def test_a_model_whose_weights_do_not_fit_into_host_memory_and_has_no_other_bed_is_stopped() -> None:
    made = idle("a", beds=(LIGHT,))
    assert decided(made, WANTED, rules=Rules(sleep_memory=3), cuda_0=10) == (Stop("a", "makes room"),)


def test_host_memory_that_models_on_the_cpu_hold_is_not_for_sleepers() -> None:
    on_cpu = stall("c", READY, 7)
    assert decided(idle("a"), on_cpu, WANTED, rules=Rules(sleep_memory=9), cuda_0=10) == (
        Sleep("a", DEEP, "makes room"),
    )


def test_what_sleepers_keep_in_host_memory_is_not_for_models_on_the_cpu() -> None:
    sleeper = asleep("s", host=5)
    wanted = stall("c", need=6, wanted_since=IN_TURN)
    assert decided(sleeper, wanted, cuda_0=10) == (Stop("s", "makes room"),)
    assert decided(sleeper, replace(wanted, need=5, grant=5), cuda_0=10) == (Start("c", ("cpu",)),)


def test_a_promise_of_host_memory_to_one_that_still_drains_is_kept() -> None:
    drains = replace(idle("d", 2), host_held=4, state=ModelState.DRAINING)
    assert decided(drains, idle("a", last_used=1), WANTED, rules=Rules(sleep_memory=6), cuda_0=10) == (
        Sleep("a", DEEP, "makes room"),
    )


def test_two_that_are_put_to_bed_together_share_what_host_memory_there_is() -> None:
    a, b = idle("a", 5, last_used=1), idle("b", 5, last_used=2)
    wanted = stall("w", need=9, on="cuda:0", wanted_since=IN_TURN)
    assert decided(a, b, wanted, rules=Rules(sleep_memory=6), cuda_0=10) == (
        Sleep("a", LIGHT, "makes room"),
        Sleep("b", DEEP, "makes room"),
    )


def test_the_sleeper_that_was_unused_for_longest_is_stopped_so_that_a_newer_one_can_sleep_lightly() -> None:
    older, newer = asleep("older", host=4, last_used=1), asleep("newer", host=4, last_used=2)
    victim = idle("a", 8, last_used=3)
    actions = decided(older, newer, victim, WANTED, rules=Rules(sleep_memory=9), cuda_0=10, cpu=100)
    assert actions == (Stop("older", "makes room for another to sleep"),)
    alone = decided(newer, victim, WANTED, rules=Rules(sleep_memory=9), cuda_0=10, cpu=100)
    assert alone == (Sleep("a", LIGHT, "makes room"),)


@pytest.mark.parametrize("known", [{"last_used": 4.0}, {"last_used": 3.0}, {"pinned": True}, {"wanted_since": 20.0}])
def test_a_sleeper_that_is_newer_pinned_or_wanted_is_not_stopped_for_that(known: dict[str, float]) -> None:
    sleeper = replace(asleep("s", host=4, last_used=1), **known)  # type: ignore[arg-type]
    actions = decided(sleeper, idle("a", 8, last_used=3), WANTED, rules=Rules(sleep_memory=6), cuda_0=10, cpu=100)
    assert Sleep("a", DEEP, "makes room") in actions
    assert not [action for action in actions if action.name == "s"]


def test_models_that_sleep_are_stopped_where_what_they_keep_of_the_device_is_too_much() -> None:
    sleeper = asleep("s", residue=2)
    assert decided(sleeper, replace(WANTED, need=9, grant=9), cuda_0=10) == (Stop("s", "makes room"),)


def test_a_model_is_stopped_where_sleep_would_leave_too_much_behind() -> None:
    made = idle("a", 8, residue=3)
    wanted = replace(WANTED, need=8, grant=8)
    assert decided(made, wanted, rules=Rules(sleep_memory=9), cuda_0=10) == (Stop("a", "makes room"),)


def test_a_drain_carries_the_bed() -> None:
    busy = idle("a", leases=1)
    assert decided(busy, WANTED, rules=Rules(sleep_memory=4), cuda_0=10) == (Drain("a", LIGHT, "makes room"),)
    assert decided(replace(busy, beds=()), WANTED, cuda_0=10) == (Drain("a", None, "makes room"),)


# Who goes


def test_the_one_that_was_unused_for_longest_makes_room() -> None:
    old, new = stall("old", READY, 5, last_used=1), stall("new", READY, 5, last_used=2)
    assert decided(old, new, stall("c", need=4, wanted_since=9)) == (Stop("old", "makes room"),)


def test_who_comes_back_quickly_goes_before_who_was_unused_for_a_little_longer() -> None:
    slow = stall("slow", READY, 5, last_used=NOW - 110, comeback=60)
    quick = stall("quick", READY, 5, last_used=NOW - 100, comeback=3)
    assert decided(slow, quick, stall("c", need=4, wanted_since=9)) == (Stop("quick", "makes room"),)


def test_an_idle_model_goes_before_a_busy_one_that_was_used_longer_ago() -> None:
    busy, other = stall("busy", READY, 5, last_used=1, leases=1), stall("idle", READY, 5, last_used=2)
    assert decided(busy, other, stall("c", need=4, wanted_since=9)) == (Stop("idle", "makes room"),)


def test_only_those_go_whose_going_helps() -> None:
    elsewhere = stall("elsewhere", READY, 5, "cuda:1", last_used=1)
    here = stall("here", READY, 6, "cuda:0", last_used=2)
    assert decided(elsewhere, here, WANTED, cuda_0=10, cuda_1=10) == (Stop("here", "makes room"),)


def victims(missing: int, *stalls: Stall) -> tuple[str, ...] | None:
    frees = {each.name: {"cpu": each.holds} for each in stalls}
    chosen = choose_victims(stalls, frees, {"cpu": missing}, NOW)
    return None if chosen is None else tuple(each.name for each in chosen)


def test_none_goes_that_the_others_make_superfluous() -> None:
    small, large = stall("small", READY, 2, last_used=1), stall("large", READY, 8, last_used=2)
    assert victims(2, large, small) == ("small",)
    assert victims(3, large, small) == ("large",)
    assert victims(9, large, small) == ("small", "large")
    assert victims(11, large, small) is None


def test_bytes_are_needed_on_each_device() -> None:
    first, second = stall("first", READY, 5, "cuda:0"), stall("second", READY, 5, "cuda:1")
    frees = {"first": {"cuda:0": 5}, "second": {"cuda:1": 5}}
    assert choose_victims([first, second], frees, {"cuda:0": 1, "cuda:1": 1}, NOW) == (first, second)
    assert choose_victims([first], frees, {"cuda:0": 1, "cuda:1": 1}, NOW) is None


# Rest


def test_an_idle_model_goes_to_bed_after_its_idle_time() -> None:
    rested = idle("a", last_used=NOW - 60, idle_timeout=60)
    assert decided(rested, rules=Rules(sleep_memory=4), cuda_0=10) == (Sleep("a", LIGHT, "idle"),)
    assert decided(replace(rested, beds=()), cuda_0=10) == (Stop("a", "idle"),)


@pytest.mark.parametrize(
    "known", [{"last_used": NOW - 59}, {"leases": 1}, {"pinned": True}, {"wanted_since": 5.0}, {"idle_timeout": 1e9}]
)
def test_a_model_that_is_used_wanted_pinned_or_not_long_idle_stays(known: dict[str, float]) -> None:
    made = idle("a", last_used=NOW - 60, idle_timeout=60)
    assert decided(replace(made, **known), cuda_0=10) == ()  # type: ignore[arg-type]


def test_who_is_to_stay_for_no_time_at_all_is_stopped_and_not_put_to_bed() -> None:
    made = idle("a", last_used=NOW, idle_timeout=0)
    assert decided(made, rules=Rules(sleep_memory=9), cuda_0=10) == (Stop("a", "idle"),)


def test_who_slept_for_long_is_stopped() -> None:
    sleeper = asleep("a", asleep_since=NOW - 60, asleep_timeout=60, last_used=1)
    assert decided(sleeper, cuda_0=10) == (Stop("a", "idle"),)
    assert decided(replace(sleeper, asleep_since=NOW - 59), cuda_0=10) == ()
    assert decided(replace(sleeper, pinned=True), cuda_0=10) == ()
