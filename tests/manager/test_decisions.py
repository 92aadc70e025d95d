"""The scheduler's decisions to the byte and to the second: for whoever comes next in them, and in which words."""

from dataclasses import replace
from math import inf
from unittest.mock import patch

import pytest

from contract.states import ModelState
from manager.scheduling.scheduler import Scheduler, _Plan
from manager.scheduling.stall import Fetch, Refuse, Rules, Stall, Start, Stop, Track, Wake
from tests.manager.stalls import NOW, READY, asleep, decided, stall
from tests.manager.test_scheduler import CPU, GPUS, reason

# To the byte, and what one decision means for who comes next in it


def test_who_starts_is_counted_for_who_waits_behind_it_and_does_not_make_room_itself() -> None:
    idle = stall("c", READY, 4)
    first, second = stall("a", need=3, wanted_since=1), stall("b", need=5, wanted_since=2)
    assert decided(idle, first, second) == (Start("a", CPU), Stop("c", "makes room"))
    waking = asleep("s", need=5, wanted_since=1)
    assert decided(waking, stall("b", need=9, on="cuda:0", wanted_since=2), cuda_0=10) == (Wake("s"),)


def test_who_waits_for_what_is_on_its_way_out_of_one_device_keeps_nobody_from_another() -> None:
    leaving = stall("leaving", ModelState.STOPPING, 6, "cuda:0", leaving=6)
    busy = stall("busy", READY, 9, "cuda:1", leases=1, ready_since=NOW)
    wanted = stall("w", need=10, wanted_since=1, places=GPUS)
    small = stall("small", need=1, on="cuda:1", wanted_since=2)
    assert decided(leaving, busy, wanted, small, cuda_0=10, cuda_1=10) == (Start("small", ("cuda:1",)),)
    idle = stall("idle", READY, 6, "cuda:0")
    assert decided(idle, busy, wanted, small, cuda_0=10, cuda_1=10) == (
        Stop("idle", "makes room"),
        Start("small", ("cuda:1",)),
    )


def test_who_waits_for_a_device_to_be_quiet_is_overtaken_on_none_of_its_places() -> None:
    moving = stall("moving", ModelState.SLEEPING, 3, "cuda:0")
    busy = stall("busy", READY, 5, "cuda:1", leases=1, ready_since=NOW)
    wanted = stall("w", need=7, wanted_since=1, places=GPUS)
    small = stall("small", need=2, on="cuda:1", wanted_since=2)
    assert decided(moving, busy, wanted, small, cuda_0=10, cuda_1=10) == ()


def test_nobody_is_refused_for_what_those_who_may_go_hold_to_the_byte() -> None:
    busy = stall("h", READY, 6, leases=1, ready_since=NOW)
    assert decided(busy, stall("a", need=8, wanted_since=1), cpu=Track(10, 8)) == ()
    assert "other programs (3 B)" in reason(*decided(busy, stall("a", need=8, wanted_since=1), cpu=Track(10, 7)))


@pytest.mark.parametrize(("pinned", "refused"), [(0, False), (1, True)])
@pytest.mark.parametrize(("on", "free"), [("cpu", 5), ("cuda:0", 4)])
def test_what_a_model_holds_of_a_device_and_of_host_memory_is_counted_each_where_it_is(
    on: str, free: int, pinned: int, refused: bool
) -> None:
    """It holds 6 bytes of the GPU and 5 of the host, and gives them back when it ends."""
    holder = replace(stall("h", ModelState.SLEEPING, 6, "cuda:0"), host_held=5)
    other = stall("p", READY, pinned, on, pinned=True)
    actions = decided(holder, other, stall("a", need=10, on=on, wanted_since=1), cuda_0=10)
    assert bool(actions) == refused
    assert free + {"cpu": 5, "cuda:0": 6}[on] == 10


def test_the_patience_of_who_came_with_the_clock_begins_with_the_clock() -> None:
    scheduler = Scheduler(Rules())
    scheduler.put(stall("a", need=8, wanted_since=0))
    assert scheduler.decide(19.9, {"cpu": Track(12, 5)}) == ()
    assert "other programs (7 B)" in reason(*scheduler.decide(20.0, {"cpu": Track(12, 5)}))


# Who holds the memory, in words


def test_a_refusal_names_the_device_that_lacks_most_and_who_holds_it() -> None:
    wanted = stall("a", need=8, wanted_since=1)
    one, other = (stall(name, READY, 2, pinned=True) for name in "pq")
    held = "needs 8 B of cpu, which is held by"
    assert reason(*decided(replace(one, holds=4), wanted)) == f"{held} p (pinned)"
    assert reason(*decided(one, other, wanted)) == f"{held} p, q (pinned)"
    assert reason(*decided(wanted, cpu=Track(12, 5))) == f"{held} other programs (7 B)"
    asleep_elsewhere = asleep("s", host=5, pinned=True)
    assert reason(*decided(asleep_elsewhere, wanted, cuda_0=10)) == f"{held} models that do not end"
    both = stall("b", need=8, on="cuda:0+cuda:1", wanted_since=1)
    assert "8 B of cuda:0" in reason(*decided(both, cuda_0=Track(10, 1), cuda_1=Track(10, 7)))


def test_a_model_whose_devices_are_not_there_is_told_which() -> None:
    told = "cannot start: its device is not there: "
    assert reason(*decided(stall("a", on="cuda:7+cuda:8", wanted_since=1))) == told + "cuda:7, cuda:8"
    assert reason(*decided(stall("a", wanted_since=1, places=()))) == told + "none"


@pytest.mark.parametrize(("seconds", "refused"), [(59, False), (60, True), (1e9, True), (inf, False)])
def test_a_device_that_could_not_be_looked_at_for_a_minute_is_not_waited_for(seconds: float, refused: bool) -> None:
    unseen = Track(10, 10, fresh=False, changed_at=NOW - seconds)
    wanted = stall("a", need=3, wanted_since=1, places=GPUS)
    told = ["cannot start: the memory of cuda:0 could not be read for 60 s"] if refused else []
    assert [
        action.why for action in decided(wanted, cuda_0=unseen, cuda_1=unseen) if isinstance(action, Refuse)
    ] == told
    seen = replace(unseen, fresh=True)
    just_now = Track(10, 10, fresh=False, changed_at=NOW - 1)
    assert decided(stall("b", need=3, on="cuda:0+cuda:1", wanted_since=1), cuda_0=seen, cuda_1=just_now) == ()


# Sleepers that wake beside those who wait


def waits(need: int, on: str = "cuda:0", since: float = 1.0) -> Stall:
    return stall(f"w{need}", need=need, on=on, wanted_since=since)


BUSY = stall("busy", READY, 6, "cuda:0", leases=1, ready_since=NOW)
SLEEPER = asleep("s", 3, wanted_since=3)


@pytest.mark.parametrize(
    ("others", "wakes"),
    [
        ((waits(7),), True),
        ((waits(8),), False),
        ((waits(6), stall("p", READY, 2, "cuda:0", pinned=True)), False),
        ((waits(6), stall("p", READY, 1, "cuda:0", pinned=True)), True),
        ((waits(7), stall("p", READY, 9, "cuda:1", pinned=True)), True),
        ((waits(6), stall("w", need=1, on="cuda:0+cuda:1", wanted_since=2)), True),
        ((waits(6), stall("w", need=2, on="cuda:0+cuda:1", wanted_since=2)), False),
    ],
    ids=["to the byte", "a byte less", "pinned", "less pinned", "pinned elsewhere", "behind two", "behind two larger"],
)
def test_a_sleeper_wakes_where_it_and_all_who_wait_would_fit_beside_what_never_goes(
    others: tuple[Stall, ...], wakes: bool
) -> None:
    busy = replace(BUSY, holds=5)
    assert decided(busy, SLEEPER, *others, cuda_0=10, cuda_1=10) == ((Wake("s"),) if wakes else ())


def test_a_pinned_sleeper_does_not_stand_in_its_own_way() -> None:
    pinned = replace(SLEEPER, pinned=True, residue=1, holds=1)
    assert decided(BUSY, pinned, waits(7), cuda_0=10) == (Wake("s"),)


def test_no_sleeper_wakes_before_its_pause_is_over_nor_while_something_moves_there() -> None:
    again = [replace(SLEEPER, retry_at=NOW + pause) for pause in (1, 0)]
    assert decided(BUSY, again[0], waits(7), cuda_0=10) == ()
    assert decided(BUSY, again[1], waits(7), cuda_0=10) == (Wake("s"),)
    assert decided(BUSY, again[0], replace(SLEEPER, name="t"), waits(7), cuda_0=10) == (Wake("t"),)
    moving = stall("moving", ModelState.STARTING, 1, "cuda:0")
    assert decided(BUSY, moving, SLEEPER, waits(6), cuda_0=10) == ()


# Who sleeps where it cannot wake


def test_a_sleeper_does_not_move_to_a_device_that_is_not_there() -> None:
    pinned = stall("p", READY, 9, "cuda:0", pinned=True)
    sleeper = replace(asleep("a", 8, wanted_since=1), places=GPUS)
    assert "p (pinned)" in reason(*decided(pinned, sleeper, cuda_0=10))


@pytest.mark.parametrize(("elsewhere", "room"), [(Track(10, 10), True), (Track(10, 9), False), (Track(7, 7), False)])
def test_a_sleeper_moves_to_another_device_only_where_it_could_be_held(elsewhere: Track, room: bool) -> None:
    pinned, other = stall("p", READY, 9, "cuda:0", pinned=True), stall("q", READY, 2, "cuda:1", pinned=True)
    idle = stall("h", READY, 1, "cuda:1")
    sleeper = replace(asleep("a", 8, residue=1, wanted_since=1), places=GPUS)
    (action,) = decided(pinned, other, idle, sleeper, cuda_0=11, cuda_1=elsewhere)
    assert isinstance(action, Stop if room else Refuse)


# What a decision looks at


def looked_at(*stalls: Stall, **tracks: int | Track) -> list[str]:
    """The models for which a decision seeks a place."""
    with patch.object(_Plan, "seat", autospec=True, side_effect=_Plan.seat) as sought:
        decided(*stalls, **tracks)  # type: ignore[arg-type]
    return [call.args[1].name for call in sought.call_args_list]


def test_nobody_is_looked_at_who_waits_behind_another_for_the_same_devices() -> None:
    busy = stall("busy", READY, 9, leases=1, ready_since=NOW)
    first = stall("first", need=10, wanted_since=1)
    behind = [
        stall("small", need=1, wanted_since=2),
        stall("large", need=10, wanted_since=3),
        stall("nearly nothing", need=0, wanted_since=4, places=(("cuda:7",), CPU)),
        replace(asleep("sleeper", on="cpu", wanted_since=5), places=(CPU, ("cuda:0",))),
    ]
    assert looked_at(busy, first, *behind, cuda_0=10) == ["first"]
    assert looked_at(busy, first, stall("elsewhere", on="cuda:0", wanted_since=9), cuda_0=10) == ["first", "elsewhere"]


def test_a_fetch_begins_when_another_has_ended_and_not_before() -> None:
    scheduler, track = Scheduler(Rules(fetches=1)), {"cpu": Track(10, 10)}
    scheduler.put(stall("d", ModelState.FETCHING, here=False, wanted_since=1))
    scheduler.put(stall("a", here=False, wanted_since=2, retry_at=NOW))
    assert scheduler.decide(NOW, track) == ()
    scheduler.put(stall("d"))
    assert scheduler.decide(NOW, track) == (Fetch("a"),)


def test_what_may_go_makes_room_unless_it_is_said_otherwise() -> None:
    scheduler = Scheduler(Rules())
    for each in (stall("a", READY), stall("b", wanted_since=1)):
        scheduler.put(each)
    assert scheduler.decide(NOW, {"cpu": Track(10, 10)}) == (Stop("a", "makes room"),)
