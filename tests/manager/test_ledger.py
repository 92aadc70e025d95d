"""The ledger: what a model takes is what a device has less of around its start, its sleep and its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.box.devices import DeviceSeen
from manager.scheduling.ledger import Ledger, Limits
from manager.scheduling.stall import Track
from manager.specification import DeviceKind
from tests.manager.book import BOTH, GPU, OTHER, Book


def test_what_a_model_takes_is_the_difference_around_its_start() -> None:
    book = Book(cuda_0=20)
    book.moves("a")
    book.see(cuda_0=35)
    assert (book.ledger.used("a"), book.others) == (0, 20), "it still moves"
    book.settles("a")
    book.see(cuda_0=47)
    assert (book.ledger.used("a"), book.others) == (27, 20)
    assert book.ledger.is_measured("a")


def test_others_use_is_what_it_was_while_something_moves() -> None:
    book = Book(cuda_0=20)
    book.moves("a")
    book.see(cuda_0=90)
    book.see(cuda_0=5)
    assert (book.others, book.track().budget) == (20, 80)


@pytest.mark.parametrize("before", [0.5, 0.0])
def test_a_look_that_began_before_the_model_had_settled_measures_nothing(before: float) -> None:
    book = Book()
    book.moves("a")
    book.settles("a")
    book.see(at=book.now - before, cuda_0=10)
    assert not book.ledger.is_measured("a")
    assert not book.track().fresh
    book.see(cuda_0=25)
    assert book.ledger.used("a") == 25
    assert book.track().fresh


def test_every_change_makes_a_new_look_necessary() -> None:
    book = Book()
    book.moves("a")
    for change in (book.settles, book.leaves):
        change("a")
        assert not book.track().fresh
        assert book.track().changed_at == book.now
        book.see()
        assert book.track().fresh


def test_a_change_on_one_device_needs_no_look_at_another() -> None:
    book = Book(cuda_1=0)
    book.moves("a", place=OTHER)
    book.settles("a")
    assert (book.track("cuda:0").fresh, book.track("cuda:1").fresh) == (True, False)


def test_a_model_on_several_devices_is_measured_on_each_and_its_use_is_the_greatest() -> None:
    book = Book(cuda_1=10)
    book.moves("a", place=BOTH)
    book.settles("a")
    book.see(cuda_0=20, cuda_1=35)
    assert book.ledger.used("a") == 25
    assert (book.ledger.others("cuda:0"), book.ledger.others("cuda:1")) == (0, 10)


def test_what_stays_after_sleep_is_measured_like_a_start() -> None:
    book = Book(cuda_0=10)
    book.ready("a", 30)
    book.moves("a", 30, expected=0)
    book.settles("a")
    book.see(cuda_0=13)
    assert (book.ledger.used("a"), book.others) == (3, 10)


def test_a_model_that_ended_takes_nothing_and_memory_that_is_late_counts_as_others() -> None:
    book = Book()
    book.ready("a", 30)
    book.leaves("a")
    book.see(cuda_0=12)
    assert (book.ledger.used("a"), book.others) == (0, 12)
    book.see(cuda_0=0)
    assert book.others == 0


def test_late_memory_is_not_laid_at_the_door_of_the_one_model_at_work() -> None:
    book = Book()
    book.ready("a", 30)
    book.ready("b", 30)
    book.leaves("a")
    book.see("b", cuda_0=60)
    assert (book.ledger.used("b"), book.others) == (30, 30)


def test_what_an_adopted_engine_took_before_is_not_others() -> None:
    book = Book(cuda_0=40)
    book.now += 1
    book.ledger.adopts("a", GPU, 25, book.now)
    book.see()
    assert (book.ledger.used("a"), book.others, book.track().budget) == (25, 15, 85)


def test_a_device_that_is_seen_first_when_engines_are_there_has_of_others_what_is_not_theirs() -> None:
    adopted, moving = Ledger(Limits(0, 0)), Ledger(Limits(0, 0))
    assert repr(adopted) == "<Ledger of nothing seen yet>"
    adopted.adopts("a", GPU, 25, 0)
    moving.moves("a", GPU, 25)
    both = Ledger(Limits(0, 0))
    both.adopts("a", GPU, 25, 0)
    both.moves("b", GPU, 25)
    for ledger, others in ((adopted, 15), (moving, 40), (both, 15)):
        ledger.see(1, [DeviceSeen(name, DeviceKind.CUDA, name, 100, 60) for name in BOTH], set())
        assert ledger.others("cuda:0") == others
        assert repr(ledger) == "<Ledger of cuda:0, cuda:1>"
    moving = Ledger(Limits(0, 0))
    moving.moves("a", GPU, 25)
    moving.see(1, [DeviceSeen("cuda:0", DeviceKind.CUDA, "a GPU", 100, 100)], set())
    assert moving.others("cuda:0") == 0


def test_how_much_others_use_has_grown_since_the_last_of_ours_moved_may_be_late_memory() -> None:
    assert Book().track() == Track(100, 100)
    book = Book(cuda_0=10)
    assert book.track() == Track(100, 90, late=10)
    book.ready("a", 30)
    assert book.track().late == 0
    book.see(cuda_0=47)
    assert book.track().late == 7
    book = Book()
    book.ready("a", 30)
    book.leaves("a")
    book.see(cuda_0=12)
    assert book.track().late == 12


def test_what_sleepers_keep_in_host_memory_is_nobodys_else_and_stands_on_no_gpu() -> None:
    book = Book(cpu=20, cuda_0=20)
    assert book.ledger.others("cpu") == 20
    book = Book()
    book.see(cpu=20, cuda_0=20, held=(5,))
    assert (book.ledger.others("cpu"), book.ledger.others("cuda:0")) == (15, 20)
    book.see(cpu=30, held=(None,))
    assert book.ledger.others("cpu") == 15, "some of it comes or goes"
    book.see(cpu=30, held=(9,))
    assert book.ledger.others("cpu") == 21


@pytest.mark.parametrize(("device", "used"), [("cpu", [30, 30, 34]), ("cuda:0", [34, 38, 42])])
def test_what_grows_while_sleepers_come_and_go_is_the_worker_models_unless_it_is_in_host_memory(
    device: str, used: list[int]
) -> None:
    book = Book(cpu=0)
    book.moves("a", 42, place=(device,))
    book.settles("a")
    book.taken[device] = 30
    book.see()
    seen = []
    for held, grown in ((5, 34), (9, 38), (9, 42)):
        book.taken[device] = grown + (held if device == "cpu" else 0)
        book.see("a", held=(held,))
        seen.append(book.ledger.used("a"))
    assert seen == used


def test_of_host_memory_no_more_is_a_models_than_it_is_booked_with() -> None:
    book = Book(cpu=0)
    book.moves("a", 30, place=("cpu",))
    book.settles("a")
    book.see(cpu=40)
    assert (book.ledger.used("a"), book.ledger.others("cpu")) == (30, 10)


@given(
    takes=st.lists(st.integers(0, 20), min_size=1, max_size=4),
    before=st.integers(0, 15),
    after=st.integers(0, 15),
    shares=st.floats(0.7, 1.5),
)
def test_honest_models_that_start_one_after_another_are_measured_to_the_byte(
    takes: list[int], before: int, after: int, shares: float
) -> None:
    book = Book(cuda_0=before)
    for index, amount in enumerate(takes):
        book.ready(str(index), amount, booked=int(amount / shares) + 1)
    book.see(cuda_0=sum(takes) + after)
    assert [book.ledger.used(str(index)) for index in range(len(takes))] == takes
    assert book.others == after
    for index in range(len(takes)):
        book.leaves(str(index))
    book.see(cuda_0=after)
    assert book.others == after
