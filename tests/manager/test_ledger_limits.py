"""The ledger: what engines may have of a device, whatever others use and whatever comes and goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.scheduling.ledger import Limits
from tests.manager.book import OTHER, Book, sizes


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (Limits(0, 0), 100),
        (Limits(50, 10), 90),
        (Limits(0, 0, {"cuda:0": 60}), 60),
        (Limits(0, 50, {"cuda:0": 60}), 50),
        (Limits(0, 200), 0),
        (Limits(0, 0, {"cuda:0": 900, "cpu": 1}), 100),
    ],
)
def test_engines_may_have_what_cap_and_reserve_leave_of_a_gpu(limits: Limits, most: int) -> None:
    assert sizes(Book(limits)) == (most, most)


def test_the_hosts_reserve_is_another_than_the_gpus() -> None:
    book = Book(Limits(host_reserve=20, gpu_reserve=5), cpu=0)
    assert (book.track("cpu").most, book.track("cuda:0").most) == (80, 95)


@pytest.mark.parametrize(("others", "budget"), [(0, 90), (10, 90), (11, 89), (70, 30), (100, 0)])
def test_others_use_is_taken_off_where_it_is_more_than_the_reserve(others: int, budget: int) -> None:
    assert sizes(Book(Limits(0, 10), cuda_0=others)) == (90, budget)


def test_a_cap_holds_whatever_others_leave_and_others_whatever_the_cap_says() -> None:
    book = Book(Limits(0, 0, {"cuda:0": 60}), cuda_0=30)
    assert book.track().budget == 60
    book.see(cuda_0=50)
    assert book.track().budget == 50


def test_a_gpu_that_vanishes_has_no_track_and_one_that_returns_is_looked_at_anew() -> None:
    book = Book(cuda_1=20)
    del book.taken["cuda:1"]
    book.see()
    assert sizes(book, "cuda:1") == (100, 80), "missed once, it may have been unable to answer"
    book.see()
    assert set(book.ledger.tracks()) == {"cuda:0"}
    assert [device.id for device in book.ledger.devices] == ["cuda:0"]
    book.see(cuda_1=35)
    assert sizes(book, "cuda:1") == (100, 65)


def test_a_model_whose_gpu_vanished_can_leave_and_settle_without_it() -> None:
    book = Book(cuda_1=0)
    book.moves("a", place=OTHER)
    book.moves("b", place=OTHER)
    del book.taken["cuda:1"]
    book.see()
    book.settles("a")
    book.leaves("b")
    book.see()
    book.see()
    assert not book.ledger.is_measured("a")
    assert book.ledger.used("a") == 0
    assert repr(book.ledger) == "<Ledger of cuda:0>"


def test_of_a_model_that_it_never_heard_of_it_says_nothing() -> None:
    book = Book()
    book.settles("nobody")
    book.leaves("nobody")
    assert (book.ledger.used("nobody"), book.ledger.is_measured("nobody")) == (0, False)
    assert book.ledger.most_used("nobody") == 0
    book.moves("moving")
    assert book.ledger.most_used("moving") == 0
    assert book.track().fresh


events = st.lists(
    st.tuples(
        st.sampled_from(["moves", "settles", "leaves", "see", "see", "see"]),
        st.sampled_from("abc"),
        st.integers(0, 100),
        st.sets(st.sampled_from("abc")),
    ),
    max_size=40,
)


@given(events)
def test_a_budget_is_never_negative_nor_more_than_all_that_engines_may_have(
    happened: list[tuple[str, str, int, set[str]]],
) -> None:
    book = Book(Limits(0, 10))
    for kind, model, amount, busy in happened:
        if kind == "see":
            book.see(*busy, cuda_0=amount)
        elif kind == "moves":
            book.moves(model, amount)
        else:
            getattr(book, kind)(model)
        assert 0 <= book.track().budget <= book.track().most == 90
        assert 0 <= book.others <= 100
        assert all(0 <= book.ledger.used(name) <= 150 for name in "abc")
