"""The ledger: several that start or sleep at once, and which part of it is whose."""

from tests.manager.book import BOTH, OTHER, Book


def test_one_that_went_to_sleep_meanwhile_leaves_the_start_its_measure() -> None:
    book = Book()
    book.ready("old", 40, booked=40)
    book.moves("old", 40, expected=0)
    book.moves("new", 30)
    book.settles("old", "new")
    book.see(cuda_0=28)
    assert (book.ledger.used("old"), book.ledger.used("new"), book.others) == (0, 28, 0)


def test_several_that_settle_at_once_get_their_parts_as_they_are_booked() -> None:
    book = Book(cuda_0=10)
    book.moves("a", 40)
    book.moves("b", 20)
    book.settles("a")
    book.see(cuda_0=60)
    assert not book.ledger.is_measured("a"), "b still moves"
    book.settles("b")
    book.see(cuda_0=70)
    assert (book.ledger.used("a"), book.ledger.used("b"), book.others) == (40, 20, 10)


def test_no_byte_of_what_several_took_is_lost_to_rounding() -> None:
    book = Book()
    book.moves("a", booked=3)
    book.moves("b", booked=6)
    book.settles("a", "b")
    book.see(cuda_0=7)
    assert book.ledger.used("a") + book.ledger.used("b") == 7
    assert book.others == 0


def test_what_was_taken_for_another_that_has_left_is_given_to_the_one_that_has_it() -> None:
    """One kept 1 byte asleep and the other took 6: neither could be told then, and no other program came since."""
    book = Book()
    book.moves("a", booked=3)
    book.moves("b", booked=6)
    book.settles("a", "b")
    book.see(cuda_0=7)
    book.leaves("a")
    book.see(cuda_0=6)
    assert book.ledger.used("b") == 6
    assert book.others == 0
    book.see(cuda_0=3)
    assert book.ledger.used("b") == 6, "it has settled with all of that"


def test_two_that_settled_at_once_may_each_have_all_of_it_until_one_has_left() -> None:
    book = Book()
    book.moves("a", booked=4)
    book.moves("b", booked=4)
    book.settles("a", "b")
    for _ in range(3):
        book.see(cuda_0=2)
        assert (book.ledger.most_used("a"), book.ledger.most_used("b")) == (2, 2)
    book.leaves("a")
    book.see(cuda_0=2)  # it had nothing: all is the other's
    assert (book.ledger.used("b"), book.ledger.most_used("b")) == (2, 2)
    assert book.others == 0


def test_what_another_program_takes_later_is_not_laid_to_one_whose_group_has_left() -> None:
    book = Book()
    book.moves("a", booked=4)
    book.moves("b", booked=4)
    book.settles("a", "b")
    book.see(cuda_0=2)
    book.leaves("a")
    book.see(cuda_0=1)
    book.see(cuda_0=9)
    assert book.ledger.most_used("b") == 1
    assert book.others == 8


def test_of_several_whose_shares_are_unclear_each_may_have_what_comes_as_far_as_it_can_have_it() -> None:
    book = Book()
    for model in "abcd":
        book.moves(model, booked=2)
    book.settles(*"abcd")
    book.see(cuda_0=4)
    assert [(book.ledger.used(model), book.ledger.most_used(model)) for model in "abcd"] == [(1, 3)] * 4
    book.leaves("d")
    book.see(cuda_0=8)
    assert [(book.ledger.used(model), book.ledger.most_used(model)) for model in "abc"] == [(3, 3), (3, 3), (2, 3)]
    assert book.others == 0
    book.see(cuda_0=7)
    assert [(book.ledger.used(model), book.ledger.most_used(model)) for model in "abc"] == [(2, 3), (3, 3), (2, 3)]
    book.see(cuda_0=12)
    assert [(book.ledger.used(model), book.ledger.most_used(model)) for model in "abc"] == [(3, 3)] * 3
    assert book.others == 3


def test_a_share_stays_unclear_until_all_have_left_with_whom_it_was_measured_on_any_device() -> None:
    book = Book(cuda_1=0)
    book.moves("a", 4, place=BOTH)
    book.moves("b", 4)
    book.moves("c", 4, place=OTHER)
    book.settles(*"abc")
    book.see(cuda_0=2, cuda_1=2)
    for _ in range(2):
        assert book.ledger.most_used("a") == 2
        book.see()
    book.leaves("c")
    book.see(cuda_1=1)
    book.see()
    assert book.ledger.most_used("a") == 2, "b is still there"
    book.leaves("b")
    book.see(cuda_0=1)
    book.see()
    assert (book.ledger.used("a"), book.ledger.most_used("a")) == (1, 1)


def test_two_sleepers_of_whom_nothing_is_known_share_what_stays() -> None:
    book = Book()
    for name in ("a", "b"):
        book.moves(name, 30, expected=0)
    book.settles("a", "b")
    book.see(cuda_0=6)
    assert (book.ledger.used("a"), book.ledger.used("b"), book.others) == (3, 3, 0)


def test_what_a_model_cannot_have_taken_is_others() -> None:
    book = Book()
    book.moves("a", 30)
    book.settles("a")
    book.see(cuda_0=80)
    assert (book.ledger.used("a"), book.others) == (45, 35)
