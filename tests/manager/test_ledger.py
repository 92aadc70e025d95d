"""The ledger of the devices' memory: whose is what, as looks at the devices tell it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.box.devices import DeviceSeen
from manager.fixed import Place
from manager.scheduling.ledger import Ledger, Limits
from manager.scheduling.stall import Track
from manager.specification import DeviceKind

GPU, OTHER = ("cuda:0",), ("cuda:1",)
BOTH = (*GPU, *OTHER)


class Book:
    """A ledger of GPUs of 100 bytes, on a clock that moves with every call."""

    def __init__(self, limits: Limits | None = None, **taken: int) -> None:
        self.ledger = Ledger(limits or Limits(0, 0))
        self.now = 0.0
        self.taken = {"cuda:0": 0} | {name.replace("_", ":"): amount for name, amount in taken.items()}
        self.see()

    def see(self, *busy: str, at: float | None = None, held: tuple[int | None, ...] = (), **taken: int) -> None:
        self.now += 1
        self.taken |= {name.replace("_", ":"): amount for name, amount in taken.items()}
        seen = [
            DeviceSeen(name, DeviceKind.CPU if name == "cpu" else DeviceKind.CUDA, name, 100, 100 - amount)
            for name, amount in self.taken.items()
        ]
        self.ledger.see(self.now if at is None else at, seen, set(busy), *held)

    def moves(self, model: str, booked: int = 30, place: Place = GPU, expected: int | None = None) -> None:
        self.now += 1
        self.ledger.moves(model, place, booked, expected=expected)

    def settles(self, *models: str) -> None:
        for model in models:
            self.now += 1
            self.ledger.settles(model, self.now)

    def ready(self, model: str, takes: int, booked: int = 30) -> None:
        """The model starts, is ready and was looked at."""
        self.moves(model, booked)
        self.settles(model)
        self.see(cuda_0=self.taken["cuda:0"] + takes)

    def leaves(self, model: str) -> None:
        self.now += 1
        self.ledger.leaves(model, self.now)

    def track(self, device: str = "cuda:0") -> Track:
        return self.ledger.tracks()[device]

    @property
    def others(self) -> int:
        return self.ledger.others("cuda:0")


def sizes(book: Book, device: str = "cuda:0") -> tuple[int, int]:
    """What engines may have of a device at best, and now."""
    return book.track(device).most, book.track(device).budget


# Limits


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


# What a model takes


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


# What sleepers keep in host memory


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


# Several at once


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


# Growth and decrease


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


# Devices that come and go


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


# Properties

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
