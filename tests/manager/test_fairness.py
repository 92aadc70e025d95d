"""Nobody starves: who waits for a model that fits is served within a bound, whatever the others ask for."""

from random import Random
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.lease import Failed, Ready
from contract.states import ModelState
from manager.fixed import Fixed
from manager.scheduling.stall import Rules
from tests.manager.bench import Bench, fixed
from tests.manager.test_model_checked import BOXES, KINDS, NAMES
from tests.manager.world import WatchedLease, World

ONE_TURN = 40.0  # seconds: a fair share of 30, and what it takes to drain one engine, end it and start another


@st.composite
def rivals(draw: st.DrawFn) -> tuple[dict[str, int], list[Fixed]]:
    """A box, and models that each fit on it alone."""
    box = draw(st.sampled_from(BOXES))
    gpus = tuple(sorted(box.keys() - {"cpu"}))
    places = [place for place in ((), ("cpu",), gpus[:1], gpus) if place or gpus]
    made = []
    for name in NAMES[: draw(st.integers(2, 5))]:
        grant, weights = draw(st.integers(3, 10)), draw(st.integers(1, 8))
        entry = {
            "devices": list(draw(st.sampled_from(places or [()]))),
            "args": {"grant": grant, "weights": weights},
        }
        kind = cast(Any, draw(st.sampled_from(KINDS)))
        made.append(fixed(name, grant, entry=entry, weights=weights, kind=kind))
    return box, made


@settings(max_examples=40)
@given(box=rivals(), sleep_memory=st.sampled_from([0, 6, 20]), seed=st.integers(0, 2**32))
def test_who_waits_is_served_after_one_turn_of_each_other_model_at_most(
    box: tuple[dict[str, int], list[Fixed]], sleep_memory: int, seed: int
) -> None:
    devices, models = box
    world = World(devices=devices, rules=Rules(sleep_memory=sleep_memory))
    world.read(models)
    random, since = Random(seed), dict[WatchedLease, float]()
    eager = random.sample([each.name for each in models], random.randint(1, len(models)))
    for _ in range(random.randint(50, 250)):
        for model in random.sample(eager, min(1, random.randint(0, len(eager)))):
            since[world.lease(model)] = world.now
        if random.random() < 0.05:
            since[world.lease(random.choice(models).name)] = world.now
        world.behave(1)
        world.all_leases.clear()
        for lease, opened in tuple(since.items()):
            assert not any(isinstance(event, Failed) for event in lease.heard), (lease, lease.heard)
            if any(isinstance(event, Ready) for event in lease.heard):
                del since[lease]
            else:
                assert world.now - opened <= ONE_TURN * len(models), f"{lease} waits since {opened}: {world.supervisor}"


def test_a_small_model_does_not_wait_behind_a_large_one_for_which_another_device_is_made_free() -> None:
    either = (("cuda:0",), ("cuda:1",))
    models = (
        fixed("big", 9, either),
        fixed("hog", 9, (("cuda:0",),)),
        fixed("half", 5, (("cuda:1",),)),
        fixed("small", 3, either),
    )
    bench = Bench(*models, devices={"cuda:0": 10, "cuda:1": 10, "cpu": 10})
    bench.serving("hog")
    bench.serving("half")
    bench.pass_time(30)
    bench.open("big")
    bench.open("small")
    assert bench.state("hog") is ModelState.DRAINING
    assert bench.effects.launched == ["hog", "half", "small"]
