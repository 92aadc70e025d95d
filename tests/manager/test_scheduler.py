"""The scheduler as tables: who comes next and where; and as properties over boxes that nobody thought of."""

from dataclasses import replace

import pytest

from contract.states import ModelState
from manager.scheduling.scheduler import Scheduler
from manager.scheduling.stall import Drain, Fetch, Refuse, Rules, Sleep, Start, Stop, Track, Wake
from tests.manager.stalls import ASLEEP, FAILED, LIGHT, NOW, READY, asleep, decided, stall

CPU = ("cpu",)
BOTH = ("cuda:0", "cuda:1")
GPUS = (("cuda:0",), ("cuda:1",))


def reason(*actions: object) -> str:
    (action,) = actions
    assert isinstance(action, Refuse)
    return action.why


# Who waits


def test_nothing_happens_while_nobody_waits() -> None:
    assert decided(stall("a"), stall("b", READY)) == ()


def test_a_wanted_model_that_fits_is_started() -> None:
    assert decided(stall("a", wanted_since=1)) == (Start("a", CPU),)


def test_a_model_that_is_not_known_any_more_is_not_started() -> None:
    scheduler = Scheduler(Rules())
    scheduler.put(stall("a", wanted_since=1))
    scheduler.remove("a")
    scheduler.remove("a")
    assert scheduler.decide(NOW, {"cpu": Track(10, 10)}) == ()
    assert repr(scheduler) == "<Scheduler of 0 models, 0 seated, 0 waiting>"


def test_what_is_put_last_holds() -> None:
    scheduler = Scheduler(Rules())
    for wanted_since in (5.0, 3.0, None):
        scheduler.put(stall("a", wanted_since=wanted_since))
    assert scheduler.decide(NOW, {"cpu": Track(10, 10)}) == ()
    assert scheduler.position("a") == 0


def test_positions_count_those_who_wait_in_order_and_callers_who_left_come_last() -> None:
    scheduler = Scheduler(Rules())
    scheduler.put(stall("left", wanted_since=1, awaited=False))
    scheduler.put(stall("second", wanted_since=3))
    scheduler.put(stall("first", wanted_since=2))
    scheduler.put(stall("ready", READY))
    scheduler.put(stall("nobody"))
    positions = [scheduler.position(name) for name in ("first", "second", "left", "ready", "nobody", "unknown")]
    assert positions == [1, 2, 3, 0, 0, 0]


def test_who_waits_comes_before_a_caller_who_has_left() -> None:
    left, waits = stall("a", wanted_since=1, awaited=False), stall("b", wanted_since=2)
    assert decided(left, waits) == (Start("b", CPU),)


def test_a_failed_model_is_tried_again_when_its_time_has_come() -> None:
    assert decided(stall("a", FAILED, wanted_since=1, retry_at=NOW + 1)) == ()
    assert decided(stall("a", FAILED, wanted_since=1, retry_at=NOW)) == (Start("a", CPU),)


def test_a_model_that_sleeps_is_woken_where_it_sleeps() -> None:
    sleeper = replace(asleep("a", on="cuda:1", wanted_since=1), places=GPUS)
    assert decided(sleeper, cuda_0=10, cuda_1=10) == (Wake("a"),)


def test_what_is_booked_on_waking_is_what_it_needs_beside_what_it_kept() -> None:
    other = stall("b", READY, 4, "cuda:0", pinned=True)
    assert decided(asleep("a", 6, residue=2, wanted_since=1), other, cuda_0=10) == (Wake("a"),)
    assert decided(asleep("a", 7, residue=2, wanted_since=NOW), other, cuda_0=10) == ()


# One at a time, and nobody overtakes


def test_on_one_device_one_engine_starts_at_a_time() -> None:
    a, b = stall("a", need=3, wanted_since=1), stall("b", need=3, wanted_since=2)
    assert decided(a, b) == (Start("a", CPU),)
    assert decided(stall("a", ModelState.STARTING, 3), b) == ()


@pytest.mark.parametrize("state", [ModelState.WAKING, ModelState.SLEEPING, ModelState.STOPPING])
def test_nothing_starts_while_something_moves_on_the_device(state: ModelState) -> None:
    assert decided(stall("a", state, 3), stall("b", need=3, wanted_since=1)) == ()


def test_on_two_devices_two_engines_start_together() -> None:
    a = stall("a", need=6, wanted_since=1, places=GPUS)
    b = stall("b", need=6, wanted_since=2, places=GPUS)
    assert decided(a, b, cuda_0=10, cuda_1=10) == (Start("a", GPUS[0]), Start("b", GPUS[1]))


def test_nothing_starts_where_the_memory_was_not_looked_at_since_something_moved() -> None:
    stale = Track(10, 10, fresh=False)
    a = stall("a", need=3, wanted_since=1, places=GPUS)
    assert decided(a, cuda_0=stale, cuda_1=10) == (Start("a", GPUS[1]),)
    assert decided(a, cuda_0=stale, cuda_1=stale) == ()


def test_nobody_is_put_away_or_refused_before_what_just_moved_was_looked_at() -> None:
    stale = Track(10, 10, fresh=False)
    assert decided(stall("a", READY, 6), stall("b", wanted_since=1), cpu=stale) == ()
    assert decided(stall("a", READY, 6, pinned=True), stall("b", wanted_since=1), cpu=stale) == ()


def test_nothing_starts_on_a_device_that_somebody_is_just_being_asked_to_leave() -> None:
    both = stall("both", READY, 6, "cuda:0+cuda:1")
    first = stall("first", need=6, on="cuda:0", wanted_since=1)
    small = stall("small", need=2, on="cuda:1", wanted_since=2)
    assert decided(both, first, small, cuda_0=10, cuda_1=10) == (Stop("both", "makes room"),)


def test_who_waits_for_room_is_not_overtaken_by_a_smaller_one() -> None:
    busy = stall("p", READY, 5, leases=1, ready_since=NOW)
    assert decided(busy, stall("big", need=9, wanted_since=1), stall("small", need=1, wanted_since=2)) == ()


def test_who_waits_for_one_device_is_no_hindrance_on_another() -> None:
    busy = stall("busy", READY, 9, "cuda:0", leases=1, ready_since=NOW)
    first, second = stall("first", on="cuda:0", wanted_since=1), stall("second", on="cuda:1", wanted_since=2)
    assert decided(busy, first, second, cuda_0=10, cuda_1=10) == (Start("second", ("cuda:1",)),)


# Places


def test_the_second_device_is_used_before_anybody_is_evicted() -> None:
    a = stall("a", READY, on="cuda:0")
    b = stall("b", wanted_since=1, places=GPUS)
    assert decided(a, b, cuda_0=10, cuda_1=10) == (Start("b", ("cuda:1",)),)


def test_a_model_of_two_devices_needs_its_bytes_on_each() -> None:
    b = stall("b", need=6, on="cuda:0+cuda:1", wanted_since=1)
    assert decided(b, cuda_0=10, cuda_1=10) == (Start("b", BOTH),)
    assert decided(b, stall("a", READY, 5, "cuda:1"), cuda_0=10, cuda_1=10) == (Stop("a", "makes room"),)
    assert "at most 5 B" in reason(*decided(b, cuda_0=10, cuda_1=5))


def test_a_model_of_two_devices_starts_when_both_are_quiet() -> None:
    b = stall("b", need=2, on="cuda:0+cuda:1", wanted_since=1)
    assert decided(b, stall("a", ModelState.STARTING, 2, "cuda:1"), cuda_0=10, cuda_1=10) == ()


def test_room_is_made_on_one_place_and_not_on_all() -> None:
    old, new = stall("old", READY, 9, "cuda:0"), stall("new", READY, 9, "cuda:1")
    wanted = stall("w", wanted_since=1, places=GPUS)
    assert decided(old, new, wanted, cuda_0=10, cuda_1=10) == (Stop("old", "makes room"),)


def test_a_peak_that_was_seen_does_not_lock_a_model_out_of_its_device() -> None:
    assert decided(stall("a", need=12, grant=9, wanted_since=1)) == (Start("a", CPU),)


# Refusals


def test_a_model_larger_than_every_device_is_refused_at_once_with_both_sizes() -> None:
    why = reason(*decided(stall("a", need=11, wanted_since=NOW)))
    assert why == "needs 11 B, and engines may have at most 10 B of a device"


def test_a_model_whose_device_is_not_there_is_refused_at_once() -> None:
    assert (
        reason(*decided(stall("a", on="cuda:7", wanted_since=NOW))) == "cannot start: its device is not there: cuda:7"
    )


def test_who_waits_for_what_pinned_models_and_others_hold_is_refused_after_a_while_and_told_who() -> None:
    pinned = stall("p", READY, 4, pinned=True)
    crowded = Track(12, 9)
    early, late = (stall("a", need=8, wanted_since=NOW - seconds) for seconds in (19, 20))
    assert decided(pinned, early, cpu=crowded) == ()
    why = reason(*decided(pinned, late, cpu=crowded))
    assert why == "needs 8 B of cpu, which is held by p (pinned) and other programs (3 B)"


def test_the_while_begins_when_the_last_of_ours_moved_there_since_its_memory_may_be_late() -> None:
    crowded = Track(12, 5, changed_at=NOW - 19)
    wanted = stall("a", need=8, wanted_since=1)
    assert decided(wanted, cpu=crowded) == ()
    assert "other programs (7 B)" in reason(*decided(wanted, cpu=replace(crowded, changed_at=NOW - 20)))


@pytest.mark.parametrize(
    "state", [READY, ModelState.STARTING, ModelState.DRAINING, ModelState.SLEEPING, ModelState.WAKING, ASLEEP]
)
def test_nobody_is_refused_while_something_may_still_go(state: ModelState) -> None:
    holder = stall("h", state, 6, leases=2, ready_since=NOW)
    assert not [each for each in decided(holder, stall("a", wanted_since=1)) if isinstance(each, Refuse)]


def test_nobody_is_refused_for_what_was_started_in_the_same_moment() -> None:
    assert decided(stall("a", wanted_since=1), stall("b", wanted_since=2)) == (Start("a", CPU),)


def test_nobody_is_refused_who_may_yet_come_to_another_place_behind_somebody_else() -> None:
    busy = stall("busy", READY, 9, "cuda:0", leases=1, ready_since=NOW)
    first = stall("first", need=7, on="cuda:0", wanted_since=1)
    second = stall("second", need=9, wanted_since=2, places=GPUS)
    assert decided(busy, first, second, cuda_0=10, cuda_1=Track(10, 4)) == ()


def test_nobody_is_refused_while_leases_are_being_reopened() -> None:
    assert decided(stall("p", READY, pinned=True), stall("a", wanted_since=1), may_evict=False) == ()


def test_who_sleeps_where_it_can_never_wake_starts_on_another_device() -> None:
    pinned = stall("p", READY, 9, "cuda:0", pinned=True)
    sleeper = replace(asleep("a", wanted_since=1), places=GPUS)
    assert decided(pinned, sleeper, cuda_0=10, cuda_1=10) == (Stop("a", "is to start on another device"),)
    assert decided(sleeper, cuda_1=10) == (Stop("a", "is to start on another device"),)
    assert "p (pinned)" in reason(*decided(pinned, replace(sleeper, places=GPUS[:1]), cuda_0=10, cuda_1=10))


# Fetches


def test_weights_that_are_not_here_are_fetched_first_and_take_no_memory() -> None:
    away = stall("a", need=9, here=False, wanted_since=1)
    assert decided(away, stall("b", READY, 9, leases=1), stall("c", need=1, wanted_since=2)) == (
        Fetch("a"),
        Start("c", CPU),
    )


def test_so_many_are_fetched_at_once_and_no_more_in_order_of_waiting() -> None:
    away = [stall(name, here=False, wanted_since=since) for name, since in (("a", 3), ("b", 1), ("c", 2))]
    assert decided(*away) == (Fetch("b"), Fetch("c"))
    assert decided(*away, rules=Rules(fetches=1)) == (Fetch("b"),)
    busy = stall("d", ModelState.FETCHING, here=False, wanted_since=0)
    assert decided(*away, busy) == (Fetch("b"),)


def test_a_fetch_that_failed_waits_for_its_pause() -> None:
    assert decided(stall("a", FAILED, here=False, wanted_since=1, retry_at=NOW + 1)) == ()


# Evictions, as far as the scheduler decides whether (who and how: `test_eviction.py`)


def test_a_busy_model_is_drained_and_never_stopped() -> None:
    assert decided(stall("a", READY, leases=2), stall("b", wanted_since=9)) == (Drain("a", None, "makes room"),)


def test_a_busy_model_keeps_its_share_of_time() -> None:
    fresh = stall("a", READY, leases=2, ready_since=NOW - 29)
    assert decided(fresh, stall("b", wanted_since=9)) == ()
    assert decided(replace(fresh, ready_since=NOW - 30), stall("b", wanted_since=9)) != ()


def test_a_busy_model_is_not_drained_for_a_caller_who_has_left_but_an_idle_one_makes_room() -> None:
    left = stall("b", wanted_since=9, awaited=False)
    assert decided(stall("a", READY, leases=2), left) == ()
    assert decided(stall("a", READY), left) == (Stop("a", "makes room"),)


def test_a_pinned_model_never_makes_room() -> None:
    wanted = stall("b", wanted_since=NOW)
    assert decided(stall("a", READY, pinned=True), wanted) == ()
    assert decided(stall("a", READY, pinned=True, leases=1), wanted) == ()
    assert decided(asleep("a", 6, residue=6, pinned=True, on="cpu"), wanted) == ()


def test_nothing_is_evicted_while_leases_are_being_reopened() -> None:
    idle = stall("a", READY, last_used=0, idle_timeout=60)
    assert decided(idle, stall("b", wanted_since=9), may_evict=False) == ()
    assert decided(idle, may_evict=False) == ()


@pytest.mark.parametrize("state", [ModelState.DRAINING, ModelState.STOPPING, ModelState.SLEEPING])
def test_no_second_model_is_evicted_while_enough_is_on_its_way_out(state: ModelState) -> None:
    going = stall("a", state, 5, leaving=5)
    assert decided(going, stall("b", READY, 5), stall("c", need=4, wanted_since=9)) == ()


def test_a_second_model_is_evicted_where_what_is_on_its_way_out_is_not_enough() -> None:
    going = stall("a", ModelState.SLEEPING, 5, leaving=3)
    assert decided(going, stall("b", READY, 5), stall("c", need=4, wanted_since=9)) == (Stop("b", "makes room"),)


def test_an_idle_sleeper_is_put_to_bed_for_somebody_who_waits() -> None:
    idle = stall("a", READY, 6, "cuda:0", beds=(LIGHT,), weights=4)
    wanted = stall("b", on="cuda:0", wanted_since=9)
    assert decided(idle, wanted, rules=Rules(sleep_memory=4), cuda_0=10) == (Sleep("a", LIGHT, "makes room"),)
