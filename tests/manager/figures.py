"""The text of a manager whose models have gone through everything once."""

from manager.metrics_report import render
from manager.supervision.tallies import Tallies
from tests.fakes.effects import FakeKind, level
from tests.manager.bench import CRASH, Bench, fixed


def told_figures() -> bytes:
    """Every family, and a sample of each at least."""
    tallies, kind = Tallies(), FakeKind((level(1, keeps_weights=False),))
    small = fixed("small", kind=kind, idle_timeout=60, here=False, entry={"source": "org/small"})
    bench = Bench(small, fixed("large", kind=kind), listeners=(tallies,))
    bench.open("small")
    bench.has_weights("small", 6)
    bench.ended("small", CRASH)
    bench.pass_time(2)
    bench.close(bench.serving("small"))
    bench.pass_time(61)
    bench.asleep("small")
    bench.open("small")
    bench.awake("small")
    bench.died("small")
    bench.serving("small")
    bench.unload("small")
    bench.ended("small")
    bench.open("large")
    return render(bench.supervisor, tallies)
