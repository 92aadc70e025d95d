"""Hung or only busy, on a virtual clock."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.running.metrics import Sample
from manager.running.watchdog import Watchdog

PATIENCE = 120.0
STEP = 5.0
IDLE = Sample(0, (7.0,))


def busy(*progress: float) -> Sample:
    return Sample(200, progress)


def watch(samples: Iterable[Sample | None], step: float = STEP) -> tuple[float, str] | None:
    """When the engine counted as hung, and why; samples come every `step` seconds."""
    dog = Watchdog(PATIENCE, longest_look=2 * STEP)
    for number, sample in enumerate(samples):
        verdict = dog.look(1000 + number * step, sample)
        if verdict is not None:
            return number * step, verdict
    return None


def test_ten_minutes_of_saturation_with_progress_are_not_a_hang() -> None:
    assert watch(busy(1e6 + number) for number in range(120)) is None


def test_progress_of_any_kind_counts_also_one_that_goes_down() -> None:
    assert watch(busy(5, float(number % 2)) for number in range(120)) is None


def test_a_long_time_without_work_is_not_a_hang() -> None:
    assert watch([IDLE] * 10_000) is None


def test_work_without_progress_is_a_hang_after_the_patience_and_not_before() -> None:
    assert watch([IDLE, *[busy(7.0)] * 100]) == (
        PATIENCE,
        "it has 200 requests and made no progress for 120 s",
    )


def test_the_patience_counts_from_the_last_progress() -> None:
    samples = [*[busy(1)] * 20, *[busy(2)] * 20, *[busy(3)] * 100]
    verdict = watch(samples)
    assert verdict is not None
    assert verdict[0] == 40 * STEP + PATIENCE


def test_work_that_goes_away_without_progress_was_cancelled_and_starts_no_clock() -> None:
    assert watch(([busy(7)] * 20 + [IDLE]) * 10) is None


def test_no_answer_for_the_patience_is_a_hang_also_without_work() -> None:
    assert watch([IDLE, *[None] * 100]) == (PATIENCE, "it has not answered /metrics for 120 s")


def test_an_answer_now_and_then_is_enough_of_an_idle_engine() -> None:
    assert watch(([None] * 20 + [IDLE]) * 20) is None


def test_silence_counts_as_time_without_progress_where_nothing_moved_meanwhile() -> None:
    verdict = watch([busy(1), *([None] * 3 + [busy(1)]) * 100])
    assert verdict is not None
    assert verdict[0] == PATIENCE


def test_an_engine_that_never_told_of_its_work_is_not_watched() -> None:
    assert watch([None] * 10_000) is None


def test_time_in_which_the_whole_machine_stood_still_is_not_held_against_the_engine() -> None:
    dog = Watchdog(PATIENCE, longest_look=2 * STEP)
    assert dog.look(0, busy(1)) is None
    assert dog.look(3600, busy(1)) is None
    assert dog.look(7200, None) is None


def test_after_a_rest_what_was_before_counts_no_more() -> None:
    dog = Watchdog(PATIENCE, longest_look=2 * STEP)
    for number in range(24):
        assert dog.look(number * STEP, busy(1)) is None
    dog.begin_anew()
    assert dog.look(24 * STEP, busy(1)) is None


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([], "<Watchdog that has seen nothing>"),
        ([IDLE, None, None], "<Watchdog: silent for 10 s, without progress for 0 s>"),
        ([busy(1), busy(1), busy(1)], "<Watchdog: silent for 0 s, without progress for 10 s>"),
    ],
)
def test_it_says_what_it_knows(samples: list[Sample | None], words: str) -> None:
    dog = Watchdog(PATIENCE, longest_look=2 * STEP)
    for number, sample in enumerate(samples):
        dog.look(number * STEP, sample)
    assert repr(dog) == words


LOOKS = st.lists(
    st.tuples(st.floats(0.1, 30), st.sampled_from(["idle", "moves", "stuck", "silent"])), min_size=1, max_size=200
)


@given(LOOKS)
def test_nothing_is_hung_sooner_than_the_patience_after_the_last_good_sign(looks: list[tuple[float, str]]) -> None:
    dog, now, good, count = Watchdog(PATIENCE, longest_look=2 * STEP), 0.0, 0.0, 0.0
    dog.look(now, busy(count))
    for seconds, what in looks:
        now += seconds
        count += what == "moves"
        sample = {"idle": Sample(0, (count,)), "silent": None}.get(what, busy(count))
        hung = dog.look(now, sample)
        if what in {"idle", "moves"}:
            good = now
        assert hung is None or now - good >= PATIENCE - 1e-6


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_whoever_is_stuck_is_found_whether_it_answers_or_not(answers: list[bool]) -> None:
    looks = int(PATIENCE / STEP)
    samples = [busy(1) if answer else None for answer in answers][: looks - 1]
    found = watch([busy(1), *samples, *[busy(1)] * looks])
    assert found is not None
    assert found[0] <= PATIENCE + STEP
