"""Memory of an engine that ended comes back late, or not at all."""

from tests.manager.bench import Bench, fixed

GPU = (("cuda:0",),)


def test_an_innocent_idle_model_does_not_go_because_memory_comes_back_late() -> None:
    bench = Bench(fixed("a", 6, GPU), fixed("c", 3, GPU), fixed("b", 6, GPU), devices={"cuda:0": 10, "cpu": 20})
    for model in ("a", "c"):
        bench.close(bench.serving(model))
        bench.pass_time(1)
    bench.open("b")
    bench.ended("a", kept=2)
    bench.pass_time(1)
    assert bench.effects.ended == ["a"]
    bench.others.clear()
    bench.see()
    assert bench.effects.launched == ["a", "c", "b"]


def test_memory_that_stays_away_is_others_and_then_somebody_else_goes() -> None:
    bench = Bench(fixed("a", 6, GPU), fixed("c", 3, GPU), fixed("b", 6, GPU), devices={"cuda:0": 10, "cpu": 20})
    for model in ("a", "c"):
        bench.close(bench.serving(model))
    bench.open("b")
    bench.ended("a", kept=2)
    bench.pass_time(5)
    assert bench.effects.ended == ["a", "c"]
