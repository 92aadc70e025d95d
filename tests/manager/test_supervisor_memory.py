"""Memory in the supervisor: beds that were promised, memory that is late, catalogues and shutdowns in between."""

from typing import Any, cast

import pytest

from contract.catalogue import Catalogue
from contract.lease import Drain, Failed, Queued, Starting
from contract.states import ModelState
from manager.events import CatalogueRead, LoadWanted, ShutdownWanted, UnloadWanted
from manager.fixed import Fixed
from manager.scheduling.stall import Rules
from tests.fakes.effects import FakeKind, level
from tests.manager.bench import Bench, fixed, last, told

SLEEPER = cast(Any, FakeKind((level(1, keeps_weights=True), level(2, keeps_weights=False))))
TWO_GPUS = {"cuda:0": 10, "cuda:1": 10, "cpu": 100}


def sleeper(name: str, gpu: str = "cuda:0", **known: Any) -> Fixed:  # noqa: ANN401
    return fixed(name, 8, ((gpu,),), kind=SLEEPER, weights=4, **known)


@pytest.fixture
def gpus() -> Bench:
    """Two GPUs, and host memory for one sleeper of three."""
    models = (sleeper("busy"), sleeper("idle", "cuda:1", idle_timeout=50), sleeper("next"))
    return Bench(*models, devices=TWO_GPUS, rules=Rules(sleep_memory=4))


def test_the_bed_that_a_draining_model_was_promised_is_not_given_to_another(gpus: Bench) -> None:
    gpus.close(gpus.serving("idle"))
    holder = gpus.serving("busy")
    gpus.open("next")
    gpus.pass_time(30)
    assert gpus.state("busy") is ModelState.DRAINING
    gpus.pass_time(30)
    gpus.close(holder)
    assert sorted(gpus.effects.slept) == [("busy", 1), ("idle", 2)]


def test_a_bed_is_given_back_with_the_engine_that_ended_before_it_lay_down(gpus: Bench) -> None:
    holder = gpus.serving("busy")
    gpus.open("next")
    gpus.pass_time(30)
    gpus.handle(UnloadWanted("busy"))
    gpus.close(holder)
    gpus.ended("busy")
    gpus.close(gpus.serving("idle"))
    gpus.pass_time(50)
    assert gpus.effects.slept == [("idle", 1)]


def test_who_waited_long_is_not_refused_for_memory_that_is_late() -> None:
    bench = Bench(fixed("a"), fixed("b"))
    bench.close(bench.serving("a"))
    waiting = bench.open("b")
    bench.pass_time(25)
    bench.ended("a", kept=6)
    bench.pass_time(19)
    assert not any(isinstance(event, Failed) for event in told(waiting))
    bench.others.clear()
    bench.see()
    assert isinstance(last(waiting), Starting)


def test_who_waited_long_is_not_refused_because_another_starts_before_it() -> None:
    bench = Bench(fixed("a"), fixed("b"), fixed("c"))
    bench.close(bench.serving("a"))
    bench.open("b")
    behind = bench.open("c")
    bench.pass_time(60)
    bench.ended("a")
    assert bench.effects.launched == ["a", "b"]
    assert isinstance(last(behind), Queued)


def test_a_model_that_was_removed_while_it_waited_is_not_started_later() -> None:
    bench = Bench(fixed("a"), fixed("b"))
    bench.serving("a")
    waiting = bench.open("b")
    bench.handle(CatalogueRead(Catalogue(models={}), {"a": bench.model("a").fixed}))
    gone = last(waiting)
    assert isinstance(gone, Failed)
    assert gone.code == "model_removed"
    bench.handle(UnloadWanted("a"))
    bench.pass_time(200)
    bench.ended("a")
    assert bench.effects.launched == ["a"]


def test_a_shutdown_does_not_wait_for_the_bound_of_a_drain_that_was_going_on() -> None:
    bench = Bench(fixed("a"), fixed("b"))
    holder = bench.serving("a")
    bench.handle(UnloadWanted("a"))
    assert last(holder) == Drain(seconds=120)
    bench.handle(ShutdownWanted())
    assert last(holder) == Drain(seconds=5)
    bench.pass_time(5)
    assert bench.effects.ended == ["a"]


def test_a_model_that_grew_while_it_drains_is_booked_with_what_it_took() -> None:
    gpu = (("cuda:0",),)
    bench = Bench(fixed("a", places=gpu), fixed("b", 4, gpu), devices={"cuda:0": 10})
    bench.serving("a")
    bench.handle(UnloadWanted("a"))
    bench.used["a"] = 8
    bench.pass_time(1)
    bench.see()
    assert bench.model("a").holds == 8
    bench.handle(LoadWanted("b"))
    assert bench.effects.launched == ["a"]
