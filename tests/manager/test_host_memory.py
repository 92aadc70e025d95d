"""What sleepers keep in host memory, beside models that work there and sleepers that came before."""

from typing import Any, cast

from manager.engines.kind import SleepLevel
from manager.fixed import Fixed
from manager.scheduling.stall import Rules
from tests.fakes.effects import FakeKind, level
from tests.manager.bench import Bench, fixed

LIGHT, DEEP = level(1, keeps_weights=True), level(2, keeps_weights=False)
GPU = (("cuda:0",),)


def sleeper(
    name: str,
    grant: int = 8,
    levels: tuple[SleepLevel, ...] = (LIGHT, DEEP),
    weights: int = 6,
    idle_timeout: float = 600,
) -> Fixed:
    kind = cast(Any, FakeKind(levels))
    return fixed(name, grant, GPU, kind=kind, weights=weights, idle_timeout=idle_timeout)


def test_what_a_sleeper_keeps_in_host_memory_is_counted_once() -> None:
    light = sleeper("a", 6, (LIGHT,))
    on_host = fixed("h", 12, (("cpu",),))
    bench = Bench(light, on_host, devices={"cuda:0": 10, "cpu": 20}, rules=Rules(sleep_memory=10))
    bench.close(bench.serving("a"))
    bench.pass_time(600)
    bench.others["cpu"] = 6  # its weights
    bench.asleep("a")
    bench.pass_time(1)
    bench.see()
    assert bench.ledger.others("cpu") == 0
    bench.open("h")
    assert (bench.effects.launched, bench.effects.ended) == (["a", "h"], [])


def test_weights_that_go_to_sleep_in_host_memory_are_no_growth_of_who_works_there() -> None:
    bench = Bench(
        sleeper("a", 6, (LIGHT,), idle_timeout=60),
        fixed("h", 12, (("cpu",),)),
        devices={"cuda:0": 10, "cpu": 40},
        rules=Rules(sleep_memory=10),
    )
    bench.serving("h")
    bench.close(bench.serving("a"))
    bench.pass_time(60)
    bench.others["cpu"] = 6
    bench.see()
    bench.asleep("a")
    bench.pass_time(1)
    bench.see()
    assert (bench.ledger.used("h"), bench.ledger.others("cpu")) == (12, 0)


def test_a_model_that_is_to_sleep_waits_for_the_older_sleeper_that_makes_room_for_it() -> None:
    models = [sleeper(name) for name in ("a", "b", "c")]
    bench = Bench(*models, devices={"cuda:0": 10, "cpu": 100}, rules=Rules(sleep_memory=6))
    bench.close(bench.serving("a"))
    bench.pass_time(1)
    lease = bench.open("b")
    bench.asleep("a")
    bench.ready("b")
    bench.close(lease)
    bench.pass_time(1)
    bench.open("c")
    assert bench.effects.ended == ["a"]
    bench.pass_time(1)  # whatever happens meanwhile
    bench.ended("a")
    assert bench.effects.slept == [("a", 1), ("b", 1)]


def test_where_stopping_a_sleeper_is_enough_the_one_that_is_awake_sleeps() -> None:
    models = sleeper("a", weights=4), sleeper("b", weights=4), sleeper("c", 10, weights=4)
    bench = Bench(*models, devices={"cuda:0": 10, "cpu": 100}, rules=Rules(sleep_memory=100))
    bench.close(bench.serving("a"))
    bench.pass_time(1)
    lease = bench.open("b")
    bench.asleep("a", residue=1)
    bench.ready("b")
    bench.close(lease)
    bench.pass_time(1)
    bench.open("c")
    assert (bench.effects.slept, bench.effects.ended) == ([("a", 1), ("b", 1)], ["a"])
