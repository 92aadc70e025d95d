"""Memory in the supervisor: sleep, several devices, memory that is late, a box that changes."""

from dataclasses import replace
from typing import Any, cast

from contract.lease import Failed, Queued, Ready, Starting
from contract.states import ModelState
from manager.events import ShutdownWanted, UnloadWanted
from manager.stall import Rules
from tests.fakes.effects import FakeKind, level
from tests.manager.bench import Bench, fixed, last, told

LIGHT, DEEP = level(1, keeps_weights=True), level(2, keeps_weights=False)
SLEEPER = cast(Any, FakeKind((LIGHT, DEEP)))
GPU = (("cuda:0",),)


def sleeper(name: str, grant: int, **known: Any) -> Any:
    return fixed(name, grant, GPU, kind=SLEEPER, **known)


TWO_GPUS = {"cuda:0": 10, "cuda:1": 10, "cpu": 100}


def test_the_bed_that_a_draining_model_was_promised_is_not_given_to_another() -> None:
    busy = sleeper("busy", 8, weights=4)
    idle = fixed("idle", 8, (("cuda:1",),), kind=SLEEPER, weights=4, idle_timeout=50)
    bench = Bench(busy, idle, sleeper("next", 8, weights=4), devices=TWO_GPUS, rules=Rules(sleep_memory=4))
    bench.close(bench.serving("idle"))
    holder = bench.serving("busy")
    bench.open("next")
    bench.pass_time(30)
    assert bench.state("busy") is ModelState.DRAINING
    bench.pass_time(30)
    bench.close(holder)
    assert sorted(bench.effects.slept) == [("busy", 1), ("idle", 2)]
