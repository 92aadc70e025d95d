"""A caller's wish to keep a model, when engines end and start about it."""

from math import inf

from contract.states import ModelState
from manager.events import KeepWanted
from tests.manager.bench import Bench, fixed


def test_a_wish_to_be_kept_that_comes_while_the_last_engine_ends_holds_for_the_next() -> None:
    bench = Bench(fixed("a"))
    bench.close(bench.serving("a"))
    bench.pass_time(600)
    assert bench.state("a") is ModelState.STOPPING
    lease = bench.open("a")
    bench.handle(KeepWanted("a", inf))
    bench.ended("a")
    bench.ready("a")
    bench.close(lease)
    bench.pass_time(601)
    assert bench.state("a") is ModelState.READY


def test_a_wish_to_be_kept_ends_with_the_service_that_it_was_for() -> None:
    bench = Bench(fixed("a"), fixed("b"))
    bench.close(bench.serving("a"))
    bench.handle(KeepWanted("a", inf))
    waiting = bench.open("b")
    bench.ended("a")
    bench.ready("b")
    bench.close(waiting)
    lease = bench.open("a")
    bench.ended("b")
    bench.ready("a")
    bench.close(lease)
    bench.pass_time(601)
    assert bench.state("a") is ModelState.STOPPING
