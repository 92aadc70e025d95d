"""A lease whose admission to a running engine failed."""

from contract.lease import Ready
from manager.events import AdmissionFailed, LeaseOpened
from manager.supervision.leases import Lease
from tests.manager.bench import Bench, fixed, last


def test_a_lease_that_could_not_be_admitted_is_admitted_when_that_has_passed() -> None:
    bench = Bench(fixed("a"))
    bench.serving("a")
    lease = Lease("a", "proxy")
    bench.handle(LeaseOpened(lease))
    _, run = bench.effects.admitted.pop()
    bench.handle(AdmissionFailed(lease, run))
    bench.pass_time(1)
    bench.admit()
    assert isinstance(last(lease), Ready)


def test_a_lease_that_was_closed_is_not_admitted_again() -> None:
    bench = Bench(fixed("a"))
    bench.serving("a")
    lease = Lease("a", "proxy")
    bench.handle(LeaseOpened(lease))
    _, run = bench.effects.admitted.pop()
    bench.handle(AdmissionFailed(lease, run))
    bench.close(lease)
    bench.pass_time(1)
    assert bench.effects.admitted == []
