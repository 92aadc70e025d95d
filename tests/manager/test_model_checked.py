"""The whole supervisor against boxes, engines and callers that do whatever they can, in any order.

What must always be so is checked at each effect and after each event (`world.py`). At the end either engines and
callers behave, and nobody may wait for ever; or the manager shuts down, and everything has to end.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from random import Random
from typing import Any, TypeVar, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from manager.engines.kind import SleepLevel
from manager.events import KeepWanted, LoadWanted, UnloadWanted
from manager.fixed import Fixed
from manager.scheduling.stall import Rules
from manager.specification import DeviceKind
from tests.fakes.effects import FakeKind, level
from tests.manager.bench import fixed
from tests.manager.world import World

NAMES = ("a", "b", "c", "d", "e")
BOXES = ({"cpu": 12}, {"cuda:0": 10, "cpu": 16}, {"cuda:0": 10, "cuda:1": 12, "cpu": 16})
PLACES = ((), ("cpu",), ("cuda:0",), ("cuda:0", "cuda:1"))
SIZES = ((2, 1), (3, 3), (4, 2), (5, 4), (6, 4), (7, 6), (8, 4), (9, 8), (10, 8), (13, 9))  # grant and weights
LIGHT, DEEP = level(1, keeps_weights=True), level(2, keeps_weights=False)
T = TypeVar("T")


class Kind(FakeKind):
    """On the CPU, what is kept in host memory is no sleep."""

    def sleep_levels(self, device: DeviceKind) -> tuple[SleepLevel, ...]:
        return tuple(each for each in self.levels if device is DeviceKind.CUDA or not each.keeps_weights)


KINDS = tuple(Kind(levels, fills_its_share=fills) for levels in ((), (DEEP,), (LIGHT, DEEP)) for fills in (False, True))

# What an argument of a rule can be.
CHOICES: dict[str, Sequence[object]] = {
    "pick": range(60),
    "seed": range(2**16),
    "box": BOXES,
    "sleep_memory": (0, 4, 12),
    "end": ("rest", "rest", "shutdown", "stubborn callers"),
    "lies": (1.0, 1.0, 1.0, 0.5, 1.2),
    "honest": (False, False, True),
    "wish": (LoadWanted, UnloadWanted, 0.0, 10.0, inf),
    "more": (-2, -1, 1, 2),
    "seconds": (0.1, 1, 1, 5, 31, 125, 700),
    "calm_seconds": (1, 31),
    "amount": (0, 0, 1, 3, 6),
}


Step = Callable[..., None]


def happens(*names: str) -> Callable[[Step], Step]:
    """A rule with such arguments."""
    decorate = cast(Any, rule)(**{name: st.sampled_from(CHOICES[name]) for name in names})
    return cast(Callable[[Step], Step], decorate)


def begins(*names: str) -> Callable[[Step], Step]:
    """How a history begins."""
    decorate = cast(Any, initialize)(**{name: st.sampled_from(CHOICES[name]) for name in names})
    return cast(Callable[[Step], Step], decorate)


def model(name: str, devices: dict[str, int], random: Random, *, honest: bool) -> Fixed:
    """A model that could stand in a catalogue of such a box. An honest entry declares what its engine takes."""
    (grant, weights), kind = random.choice(SIZES), random.randrange(len(KINDS))
    entry = {
        "pin": random.random() < 0.1,
        "preload": random.random() < 0.3,
        "devices": list(random.choice([place for place in PLACES if devices.keys() >= set(place)])),
        # What is of another size or kind is another entry.
        "args": {"grant": grant, "weights": weights, "kind": kind},
    }
    made = fixed(
        name,
        grant,
        entry=entry,
        weights=weights,
        here=random.random() < 0.8,
        declared=honest or random.random() < 0.5,
        kind=cast(Any, KINDS[kind]),
        idle_timeout=random.choice([20.0, 600.0, inf]),
        asleep_timeout=random.choice([60.0, inf]),
        lacks="it is not for this box" if random.random() < 0.1 else None,
    )
    return replace(made, drain_bound=random.choice([10.0, 120.0]))


def picked(pick: int, among: Sequence[T]) -> T:
    return among[pick % len(among)]


class Railway(RuleBasedStateMachine):
    """Rules are what can happen. Numbers pick one of those that it can happen to."""

    world: World

    @begins("seed", "box", "sleep_memory", "end", "honest")
    def build(self, seed: int, box: dict[str, int], sleep_memory: int, end: str, honest: bool) -> None:
        """Honest: no engine takes more or less than it said, and no other program takes anything."""
        self.box, self.end, random = box, end, Random(seed)
        self.world = World(devices=box, rules=Rules(sleep_memory=sleep_memory), honest=honest)
        self.world.read(model(name, box, random, honest=honest) for name in NAMES[: random.randint(1, 5)])
        self.world.adopt_some(name for name in sorted(self.world.supervisor.models) if random.random() < 0.1)

    def model(self, pick: int) -> str:
        return picked(pick, sorted(self.world.supervisor.models) or NAMES)

    # Callers

    @happens("pick")
    def a_caller_comes(self, pick: int) -> None:
        self.world.lease(self.model(pick))

    @precondition(lambda self: self.world.open_leases)
    @happens("pick")
    def a_caller_goes(self, pick: int) -> None:
        self.world.leave(picked(pick, self.world.open_leases))

    @happens("pick", "wish")
    def somebody_wishes_by_hand(self, pick: int, wish: type[LoadWanted] | type[UnloadWanted] | float) -> None:
        name = self.model(pick)
        self.world.handle(KeepWanted(name, wish) if isinstance(wish, float) else wish(name))

    # Engines

    @precondition(lambda self: self.world.due())
    @happens("pick", "lies")
    def something_that_is_due_happens(self, pick: int, lies: float) -> None:
        picked(pick, self.world.due())(lies)

    @precondition(lambda self: self.world.due())
    @happens("lies")
    def much_that_is_due_happens(self, lies: float) -> None:
        for _ in range(10):
            for happen in self.world.due()[:1]:
                happen(lies)

    @precondition(lambda self: self.world.faults())
    @happens("pick")
    def something_goes_wrong(self, pick: int) -> None:
        picked(pick, self.world.faults())()

    @precondition(lambda self: self.world.bodies and not self.world.honest)
    @happens("pick", "more")
    def an_engine_takes_another_amount(self, pick: int, more: int) -> None:
        body = picked(pick, list(self.world.bodies.values()))
        body.uses = max(0, body.uses + more)

    # The box

    @happens("seconds")
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @happens("calm_seconds")
    def time_passes_and_everybody_behaves(self, calm_seconds: float) -> None:
        self.world.behave(calm_seconds)

    @happens()
    def the_devices_are_seen(self) -> None:
        self.world.see()

    @precondition(lambda self: self.world.late)
    @happens()
    def memory_that_was_late_comes_back(self) -> None:
        self.world.late.clear()

    @precondition(lambda self: not self.world.honest)
    @happens("pick", "amount")
    def others_take_another_amount(self, pick: int, amount: int) -> None:
        self.world.others[picked(pick, sorted(self.box))] = amount

    @precondition(lambda self: len(self.box) > 1)
    @happens("pick")
    def a_gpu_vanishes_or_returns(self, pick: int) -> None:
        self.world.gone ^= {picked(pick, sorted(self.box.keys() - {"cpu"}))}

    @precondition(lambda self: self.world.now > 1010)
    @happens("seed")
    def another_catalogue(self, seed: int) -> None:
        random = Random(seed)
        now = [each.successor or each.fixed for each in self.world.supervisor.models.values() if not each.removed]
        kept = {each.name: each for each in now if random.random() < 0.8}
        changed = random.sample(NAMES, random.randint(0, 2))
        new = {name: model(name, self.box, random, honest=self.world.honest) for name in changed}
        self.world.read((kept | new).values())

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        if self.end == "rest":
            self.world.come_to_rest()
        else:
            self.world.shut_down(stubborn=self.end == "stubborn callers")


def walk(seed: int, steps: int) -> Counter[str]:
    """A history by dice alone, which is far quicker than one that can be shrunk. What happened, and how often."""
    random, counted = Random(seed), Counter[str]()
    railway = Railway()
    railway.build(**{name: random.choice(CHOICES[name]) for name in ("seed", "box", "sleep_memory", "end", "honest")})
    for _ in range(steps):
        possible = [each for each in railway.rules if all(holds(railway) for holds in each.preconditions)]
        chosen = random.choice(possible)
        chosen.function(railway, **{name: random.choice(CHOICES[name]) for name in chosen.arguments})
    railway.teardown()
    effects = railway.world.effects
    counted.update(events=railway.world.events, starts=len(effects.launched), sleeps=len(effects.slept))
    counted.update(type(event).__name__ for lease in railway.world.all_leases for event in lease.heard)
    return counted


def walks(seeds: range, steps: int) -> None:
    counted = Counter[str]()
    for seed in seeds:
        try:
            counted += walk(seed, steps)
        except AssertionError as error:
            error.add_note(f"in the history of seed {seed}")
            raise
    print(f"{len(seeds)} histories: {', '.join(f'{number} {what}' for what, number in counted.items())}")
    assert all(counted[what] for what in ("starts", "sleeps", "Ready", "Waking", "Drain", "Failed"))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Hundreds of thousands of deaths need not be told."""
    caplog.set_level(logging.ERROR, "manager")


def test_in_any_order_of_events_memory_engines_and_leases_are_in_order() -> None:
    run_state_machine_as_test(Railway, settings=settings.get_profile("interleavings"))


def test_the_same_in_tens_of_thousands_of_events_by_dice() -> None:
    walks(range(400), steps=80)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_same_in_ten_times_as_many_orders() -> None:
    run_state_machine_as_test(Railway, settings=settings.get_profile("long"))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_same_in_ten_times_as_many_events_by_dice() -> None:
    walks(range(1_000_000, 1_004_000), steps=80)
