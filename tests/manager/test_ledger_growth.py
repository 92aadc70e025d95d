"""The ledger: what is more or less of a device while nothing starts or ends."""

import pytest

from tests.manager.book import Book


def test_a_growth_while_one_model_works_is_its_own() -> None:
    book = Book(cuda_0=10)
    book.ready("a", 30)
    book.see("a", cuda_0=45)
    assert (book.ledger.used("a"), book.others) == (35, 10)


@pytest.mark.parametrize("busy", [(), ("a", "b")])
def test_a_growth_while_none_or_several_work_is_others(busy: tuple[str, ...]) -> None:
    book = Book()
    book.ready("a", 30)
    book.ready("b", 30)
    book.see(*busy, cuda_0=70)
    assert (book.ledger.used("a"), book.ledger.used("b"), book.others) == (30, 30, 10)


def test_a_growth_beyond_all_likelihood_is_others() -> None:
    book = Book()
    book.ready("a", 30)
    book.see("a", cuda_0=60)
    assert (book.ledger.used("a"), book.others) == (45, 15)
    book.see("a", cuda_0=70)
    assert (book.ledger.used("a"), book.others) == (45, 25)


def test_what_several_had_grown_is_given_back_by_one_after_the_other() -> None:
    book = Book()
    for model in "abc":
        book.ready(model, 20)
    for model, taken in (("a", 62), ("b", 64), ("c", 66)):
        book.see(model, cuda_0=taken)
    book.see(cuda_0=61)
    assert [book.ledger.used(model) for model in "abc"] == [20, 20, 21]
    assert book.others == 0


def test_a_decrease_is_first_what_a_model_had_grown_and_then_others() -> None:
    book = Book(cuda_0=20)
    book.ready("a", 30)
    book.see("a", cuda_0=60)
    assert (book.ledger.used("a"), book.others) == (40, 20)
    book.see(cuda_0=54)
    assert (book.ledger.used("a"), book.others) == (34, 20)
    book.see(cuda_0=40)
    assert (book.ledger.used("a"), book.others) == (30, 10)
    book.see(cuda_0=0)
    assert (book.ledger.used("a"), book.others) == (30, 0), "what it settled with stays booked"


def test_others_that_come_and_go_move_the_budget_and_no_model() -> None:
    book = Book()
    book.ready("a", 30)
    for others in (0, 40, 15, 70, 0):
        book.see(cuda_0=30 + others)
        assert (book.ledger.used("a"), book.others, book.track().budget) == (30, others, 100 - others)
