"""How long a model that failed to start is left alone, and what makes earlier failures forgotten."""

from contract.lease import Failed
from tests.manager.bench import CRASH, Bench, fixed, last


def fail(bench: Bench, times: int) -> None:
    for _ in range(times):
        bench.open("a")
        bench.ended("a", CRASH)
        bench.pass_time(400)


def retry_after(bench: Bench) -> float | None:
    lease = bench.open("a")
    bench.ended("a", CRASH)
    failed = last(lease)
    assert isinstance(failed, Failed)
    return failed.retry_after


def test_earlier_failures_are_forgotten_after_a_run_that_served_steadily_and_was_ended() -> None:
    bench = Bench(fixed("a"))
    fail(bench, 4)
    bench.close(bench.serving("a"))
    bench.pass_time(3600)
    bench.ended("a")
    assert retry_after(bench) == 1


def test_earlier_failures_are_not_forgotten_after_a_short_run() -> None:
    bench = Bench(fixed("a", idle_timeout=30))
    fail(bench, 4)
    bench.close(bench.serving("a"))
    bench.pass_time(30)
    bench.ended("a")
    assert retry_after(bench) == 16
