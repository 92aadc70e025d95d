"""The scheduler as tables, and as properties over boxes that nobody thought of."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.states import ModelState
from manager.scheduler import (
    OCCUPYING,
    STARTABLE,
    Action,
    Drain,
    Refuse,
    Stall,
    Start,
    Stop,
    choose_victims,
    decide,
)

READY, STOPPED, FAILED = ModelState.READY, ModelState.STOPPED, ModelState.FAILED
NOW, FAIR_SHARE = 1000.0, 30.0


def stall(name: str, state: ModelState = STOPPED, need: int = 6, **known: object) -> Stall:
    made = Stall(name, state, need, devices=("cpu",), device="cpu" if state in OCCUPYING else None)
    return replace(made, **known)  # type: ignore[arg-type]


def decided(*stalls: Stall, total: int = 10, may_evict: bool = True) -> tuple[Action, ...]:
    return decide(NOW, stalls, {"cpu": total}, fair_share=FAIR_SHARE, may_evict=may_evict)


def test_nothing_happens_while_nobody_waits() -> None:
    assert decided(stall("a"), stall("b", READY)) == ()


def test_a_wanted_model_that_fits_is_started() -> None:
    assert decided(stall("a", wanted_since=1)) == (Start("a", "cpu"),)


def test_two_that_fit_beside_each_other_start_together() -> None:
    a, b = stall("a", need=5, wanted_since=1), stall("b", need=5, wanted_since=2)
    assert decided(a, b) == (Start("a", "cpu"), Start("b", "cpu"))


def test_the_least_recently_used_idle_model_makes_room() -> None:
    old, new = stall("old", READY, 5, last_used=1), stall("new", READY, 5, last_used=2)
    assert decided(old, new, stall("c", need=4, wanted_since=9)) == (Stop("old", "makes room"),)


def test_an_idle_model_goes_before_a_busy_one_that_was_used_longer_ago() -> None:
    busy, idle = stall("busy", READY, 5, last_used=1, leases=1), stall("idle", READY, 5, last_used=2)
    assert decided(busy, idle, stall("c", need=4, wanted_since=9)) == (Stop("idle", "makes room"),)


def test_a_busy_model_is_drained_and_never_stopped() -> None:
    assert decided(stall("a", READY, leases=2), stall("b", wanted_since=9)) == (Drain("a", "makes room"),)


def test_a_busy_model_keeps_its_share_of_time() -> None:
    fresh = stall("a", READY, leases=2, ready_since=NOW - FAIR_SHARE + 1)
    assert decided(fresh, stall("b", wanted_since=9)) == ()


def test_a_busy_model_is_not_drained_for_a_caller_who_has_left_but_an_idle_one_makes_room() -> None:
    left = stall("b", wanted_since=9, awaited=False)
    assert decided(stall("a", READY, leases=2), left) == ()
    assert decided(stall("a", READY), left) == (Stop("a", "makes room"),)


def test_who_waits_comes_before_a_caller_who_has_left() -> None:
    left, waits = stall("a", wanted_since=1, awaited=False), stall("b", wanted_since=2)
    assert decided(left, waits) == (Start("b", "cpu"),)


def test_a_pinned_model_never_makes_room() -> None:
    assert decided(stall("a", READY, pinned=True), stall("b", wanted_since=9)) == ()


def test_nothing_is_evicted_while_leases_are_being_reopened() -> None:
    assert decided(stall("a", READY), stall("b", wanted_since=9), may_evict=False) == ()


@pytest.mark.parametrize("state", [ModelState.DRAINING, ModelState.STOPPING])
def test_no_second_model_is_evicted_while_the_first_is_on_its_way(state: ModelState) -> None:
    assert decided(stall("a", state, 5), stall("b", READY, 5), stall("c", need=4, wanted_since=9)) == ()


def test_who_waits_for_room_is_not_overtaken_by_a_smaller_one() -> None:
    pinned = stall("p", READY, 5, pinned=True)
    assert decided(pinned, stall("big", need=9, wanted_since=1), stall("small", need=1, wanted_since=2)) == ()


def test_a_model_larger_than_every_device_is_refused() -> None:
    (action,) = decided(stall("a", need=11, wanted_since=1))
    assert isinstance(action, Refuse)


def test_a_failed_model_is_tried_again_when_its_time_has_come() -> None:
    assert decided(stall("a", FAILED, wanted_since=1, retry_at=NOW + 1)) == ()
    assert decided(stall("a", FAILED, wanted_since=1, retry_at=NOW)) == (Start("a", "cpu"),)


def test_an_idle_model_is_stopped_after_its_idle_time_and_a_used_one_is_not() -> None:
    idle = stall("a", READY, last_used=NOW - 60, idle_timeout=60)
    assert decided(idle) == (Stop("a", "idle"),)
    assert decided(replace(idle, leases=1)) == ()
    assert decided(replace(idle, pinned=True)) == ()
    assert decided(replace(idle, idle_timeout=0)) == ()


def test_a_second_device_is_used_before_anybody_is_evicted() -> None:
    a = stall("a", READY, devices=("cuda:0", "cuda:1"), device="cuda:0")
    b = stall("b", wanted_since=1, devices=("cuda:0", "cuda:1"))
    assert decide(NOW, (a, b), {"cuda:0": 10, "cuda:1": 10}, fair_share=30) == (Start("b", "cuda:1"),)


def test_victims_are_the_fewest_that_free_enough() -> None:
    small, large = stall("small", READY, 2, last_used=1), stall("large", READY, 8, last_used=2)
    assert choose_victims([large, small], 2) == (small,)
    assert choose_victims([large, small], 3) == (small, large)
    assert choose_victims([large, small], 11) is None
    assert choose_victims([large, small], 0) == ()


@st.composite
def boxes(draw: st.DrawFn) -> tuple[tuple[Stall, ...], dict[str, int]]:
    """A box that could have come about: what occupies a device fits on it."""
    totals = {device: draw(st.integers(5, 30)) for device in ("cuda:0", "cuda:1")}
    free = dict(totals)
    stalls = []
    for index in range(draw(st.integers(1, 7))):
        need = draw(st.integers(1, 12))
        device = draw(st.sampled_from(sorted(totals)))
        state = draw(st.sampled_from(sorted(OCCUPYING | STARTABLE)))
        if state in OCCUPYING and free[device] < need:
            state = STOPPED
        if state in OCCUPYING:
            free[device] -= need
        stalls.append(
            Stall(
                name=f"m{index}",
                state=state,
                need=need,
                devices=tuple(sorted(totals)),
                device=device if state in OCCUPYING else None,
                wanted_since=draw(st.none() | st.floats(0, NOW)),
                awaited=draw(st.booleans()),
                leases=draw(st.integers(0, 3)) if state is READY else 0,
                pinned=draw(st.booleans()),
                last_used=draw(st.floats(0, NOW)),
                ready_since=draw(st.floats(0, NOW)),
                idle_timeout=draw(st.sampled_from([0.0, 60.0])),
                retry_at=draw(st.sampled_from([0.0, NOW + 5])),
            )
        )
    return tuple(stalls), totals


@given(boxes())
def test_no_device_is_ever_over_its_budget(box: tuple[tuple[Stall, ...], dict[str, int]]) -> None:
    stalls, totals = box
    taken = dict.fromkeys(totals, 0)
    for each in stalls:
        if each.device is not None:
            taken[each.device] += each.need
    for action in decide(NOW, stalls, totals, fair_share=FAIR_SHARE):
        if isinstance(action, Start):
            taken[action.device] += next(each.need for each in stalls if each.name == action.name)
    assert all(taken[device] <= totals[device] for device in totals)


@given(boxes())
def test_each_model_is_acted_on_once_and_only_as_its_state_allows(
    box: tuple[tuple[Stall, ...], dict[str, int]],
) -> None:
    stalls, totals = box
    by_name = {each.name: each for each in stalls}
    actions = decide(NOW, stalls, totals, fair_share=FAIR_SHARE)
    assert len({action.name for action in actions}) == len(actions)
    for action in actions:
        each = by_name[action.name]
        match action:
            case Start() | Refuse():
                assert each.state in STARTABLE
                assert each.wanted_since is not None
                assert each.retry_at <= NOW
            case Stop():
                assert (each.state, each.leases, each.pinned) == (READY, 0, False)
            case Drain():
                assert each.state is READY
                assert not each.pinned
                assert NOW - each.ready_since >= FAIR_SHARE


@given(boxes())
def test_room_is_made_only_for_somebody_who_waits(box: tuple[tuple[Stall, ...], dict[str, int]]) -> None:
    stalls, totals = box
    actions = decide(NOW, stalls, totals, fair_share=FAIR_SHARE)
    evicted = [action for action in actions if isinstance(action, Stop | Drain) and action.why == "makes room"]
    waiting = [each for each in stalls if each.wanted_since is not None and each.state in STARTABLE]
    assert not evicted or waiting
