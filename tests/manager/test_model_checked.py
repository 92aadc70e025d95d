"""The whole supervisor against boxes, engines and callers that do whatever they can, in any order.

What must always be so is checked at each effect and after each event (`world.py`); that nobody waits for ever is
checked at the end, when engines and callers behave.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any, TypeVar, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from manager.events import KeepWanted, LoadWanted, UnloadWanted
from manager.fixed import Fixed
from manager.needs import places_of
from manager.stall import Rules
from tests.fakes.effects import FakeKind, level
from tests.manager.bench import fixed
from tests.manager.world import World

NAMES = ("a", "b", "c", "d", "e")
BOXES = ({"cpu": 12}, {"cuda:0": 10, "cpu": 16}, {"cuda:0": 10, "cuda:1": 12, "cpu": 16})
SIZES = ((2, 1), (3, 3), (4, 2), (5, 4), (6, 4), (7, 6), (8, 4), (9, 8), (10, 8), (13, 9))
LIGHT, DEEP = level(1, keeps_weights=True), level(2, keeps_weights=False)
KINDS = tuple(
    FakeKind(levels, fills_its_share=fills) for levels in ((), (DEEP,), (LIGHT, DEEP)) for fills in (False, True)
)
T = TypeVar("T")
picks = st.integers(0, 59)
lies = st.sampled_from([1.0, 1.0, 1.0, 0.5, 1.2])
steps_taken: Counter[str] = Counter()


@st.composite
def models(draw: st.DrawFn, name: str, devices: dict[str, int]) -> Fixed:
    places = ((), ("cpu",), ("cuda:0",), ("cuda:0", "cuda:1"))
    wanted = draw(st.sampled_from([place for place in places if set(place) <= set(devices)]))
    grant, weights = draw(st.sampled_from(SIZES))
    kind = draw(st.sampled_from(KINDS))
    entry = {
        "pin": draw(st.integers(0, 7)) == 7,
        "devices": list(wanted),
        "preload": draw(st.booleans()),
        # What is of another size or kind is another entry.
        "args": {"grant": grant, "weights": weights, "kind": KINDS.index(kind)},
    }
    made = fixed(
        name,
        grant,
        entry=entry,
        weights=weights,
        here=draw(st.integers(0, 3)) > 0,
        declared=draw(st.booleans()),
        kind=cast(Any, kind),
        idle_timeout=draw(st.sampled_from([20.0, 600.0, inf])),
        asleep_timeout=draw(st.sampled_from([60.0, inf])),
        lacks="it is not for this box" if draw(st.integers(0, 9)) == 9 else None,
    )
    return replace(made, drain_bound=draw(st.sampled_from([10.0, 120.0])))


class Railway(RuleBasedStateMachine):
    """Rules are what can happen. Numbers pick one of those that it can happen to."""

    world: World

    @initialize(
        data=st.data(),
        box=st.sampled_from(BOXES),
        sleep_memory=st.sampled_from([0, 4, 12]),
        end=st.sampled_from(["rest", "rest", "shutdown", "stubborn callers"]),
    )
    def build(self, data: st.DataObject, box: dict[str, int], sleep_memory: int, end: str) -> None:
        self.box, self.end = box, end
        names = NAMES[: data.draw(st.integers(1, 5))]
        catalogue = [data.draw(models(name, box)) for name in names]
        self.world = World(devices=box, rules=Rules(sleep_memory=sleep_memory))
        self.read(catalogue)

    def read(self, catalogue: list[Fixed]) -> None:
        seen = self.world.ledger.devices
        self.world.read({each.name: replace(each, places=places_of(each.entry, seen)) for each in catalogue})

    def pick(self, pick: int, among: Sequence[T]) -> T:
        return among[pick % len(among)]

    def model(self, pick: int) -> str:
        return self.pick(pick, sorted(self.world.supervisor.models) or NAMES)

    # Callers

    @rule(pick=picks)
    def a_caller_comes(self, pick: int) -> None:
        self.world.lease(self.model(pick))

    @precondition(lambda self: self.world.open_leases)
    @rule(pick=picks)
    def a_caller_goes(self, pick: int) -> None:
        self.world.leave(self.pick(pick, self.world.open_leases))

    @rule(pick=picks, wish=st.sampled_from([LoadWanted, UnloadWanted, 0.0, 10.0, inf]))
    def somebody_wishes_by_hand(self, pick: int, wish: type[LoadWanted] | type[UnloadWanted] | float) -> None:
        model = self.model(pick)
        self.world.handle(KeepWanted(model, wish) if isinstance(wish, float) else wish(model))

    # Engines

    @precondition(lambda self: self.world.due())
    @rule(pick=picks, lies=lies)
    def something_that_is_due_happens(self, pick: int, lies: float) -> None:
        self.pick(pick, self.world.due())(lies)

    @precondition(lambda self: self.world.due())
    @rule(lies=lies)
    def all_that_is_due_happens(self, lies: float) -> None:
        for _ in range(10):
            for happen in self.world.due()[:1]:
                happen(lies)

    @precondition(lambda self: self.world.faults())
    @rule(pick=picks)
    def something_goes_wrong(self, pick: int) -> None:
        self.pick(pick, self.world.faults())()

    @precondition(lambda self: self.world.bodies)
    @rule(pick=picks, more=st.sampled_from([-2, -1, 1, 2]))
    def an_engine_takes_another_amount(self, pick: int, more: int) -> None:
        body = self.pick(pick, list(self.world.bodies.values()))
        body.uses = max(0, body.uses + more)

    # The box

    @rule(seconds=st.sampled_from([0.1, 1, 1, 5, 31, 125, 700]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(seconds=st.sampled_from([1, 31]))
    def time_passes_and_everybody_behaves(self, seconds: float) -> None:
        self.world.behave(seconds)

    @rule()
    def the_devices_are_seen(self) -> None:
        self.world.see()

    @precondition(lambda self: self.world.late)
    @rule()
    def memory_that_was_late_comes_back(self) -> None:
        self.world.late.clear()

    @rule(pick=picks, amount=st.sampled_from([0, 0, 1, 3, 6]))
    def others_take_another_amount(self, pick: int, amount: int) -> None:
        self.world.others[self.pick(pick, sorted(self.box))] = amount

    @precondition(lambda self: len(self.box) > 1)
    @rule(pick=picks)
    def a_gpu_vanishes_or_returns(self, pick: int) -> None:
        self.world.gone ^= {self.pick(pick, sorted(self.box.keys() - {"cpu"}))}

    @rule(data=st.data())
    def another_catalogue(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
        kept = [m.successor or m.fixed for m in self.world.supervisor.models.values() if not m.removed]
        mixed = {each.name: each for each in kept if data.draw(st.integers(0, 3))}
        mixed |= {name: data.draw(models(name, self.box)) for name in names}
        self.read(list(mixed.values()))

    def teardown(self) -> None:
        if hasattr(self, "world"):
            if self.end == "rest":
                self.world.come_to_rest()
            else:
                self.world.shut_down(stubborn=self.end == "stubborn callers")
            steps_taken["events"] += self.world.events
            steps_taken["examples"] += 1


def checked(profile: str) -> None:
    steps_taken.clear()
    run_state_machine_as_test(Railway, settings=settings.get_profile(profile))
    print(f"{steps_taken['events']} events in {steps_taken['examples']} histories")


def test_in_any_order_of_events_memory_engines_and_leases_are_in_order() -> None:
    checked("interleavings")


@pytest.mark.long
def test_the_same_in_ten_times_as_many_orders() -> None:
    checked("long")
