import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.scheduling.lessons import MOST_KEYS, LessonBook, Lessons

SECONDS = st.floats(0.01, 10_000)
BYTES = st.integers(0, 2**50)
LESSONS = st.builds(Lessons, st.none() | SECONDS, st.none() | SECONDS, BYTES, BYTES)


@given(st.lists(SECONDS, min_size=1, max_size=30), SECONDS)
def test_one_odd_load_moves_what_is_known_by_a_half_at_most(loads: list[float], odd: float) -> None:
    lessons = Lessons()
    for seconds in loads:
        lessons = lessons.after_start(seconds)
    before, after = lessons.start_seconds, lessons.after_start(odd).start_seconds
    assert before is not None
    assert after is not None
    assert before * 0.5 <= after <= before * 1.5
    assert min(before, odd) <= after * 1.000001
    assert after <= max(before, odd) * 1.000001


@given(SECONDS, SECONDS)
def test_loads_that_agree_are_believed_in_the_end(first: float, steady: float) -> None:
    lessons = Lessons().after_wake(first)
    for _ in range(80):
        lessons = lessons.after_wake(steady)
    assert lessons.wake_seconds == pytest.approx(steady, rel=0.01)


def test_the_first_duration_is_believed_as_it_is() -> None:
    assert Lessons().after_start(40).start_seconds == 40
    assert Lessons(start_seconds=0.0).after_start(3).start_seconds == 3
    assert Lessons().after_wake(2) == Lessons(wake_seconds=2)


@given(st.lists(BYTES, max_size=20), st.lists(BYTES, max_size=20))
def test_the_peak_is_the_greatest_that_was_seen_and_the_residue_the_latest(
    peaks: list[int], residues: list[int]
) -> None:
    lessons = Lessons()
    for amount in peaks:
        lessons = lessons.with_peak(amount)
    for amount in residues:
        lessons = lessons.with_residue(amount)
    assert (lessons.peak, lessons.residue) == (max(peaks, default=0), [0, *residues][-1])


@given(lessons=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), LESSONS, max_size=5))
def test_what_is_kept_is_known_to_the_next_manager(
    tmp_path_factory: pytest.TempPathFactory, lessons: dict[str, Lessons]
) -> None:
    file = tmp_path_factory.mktemp("run") / "lessons.json"
    book = LessonBook(file)
    for key, lesson in lessons.items():
        book.keep(key, lesson)
    after = LessonBook(file)
    assert {key: after.of(key) for key in lessons} == lessons
    assert after.of("a key that nobody kept, and longer") == Lessons()


def test_the_file_says_its_version_and_nothing_half_written_stays(tmp_path: Path) -> None:
    LessonBook(tmp_path / "deep" / "lessons.json").keep("a", Lessons(peak=5))
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["lessons.json"]
    assert json.loads((tmp_path / "deep" / "lessons.json").read_text())["version"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b'{"version": 1, "lessons": {"a": {"peak"',
        b'{"version": 2, "lessons": {}}',
        b'{"lessons": {}}',
        b'{"version": 1, "lessons": {"a": {"peak": -1}}}',
        b'{"version": 1, "lessons": {"a": {"start_seconds": NaN}}}',
        b"[" * 100_000,
    ],
)
def test_a_broken_file_is_set_aside_and_begun_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "lessons.json"
    file.write_bytes(content)
    book = LessonBook(file)
    assert book.of("a") == Lessons()
    assert (tmp_path / "lessons.json.broken").read_bytes() == content
    book.keep("a", Lessons(peak=3))
    assert LessonBook(file).of("a") == Lessons(peak=3)


def test_a_disk_that_refuses_is_told_once_and_the_lesson_stays_for_this_manager(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "no folder").write_text("")
    book = LessonBook(tmp_path / "no folder" / "lessons.json")
    caplog.clear()
    book.keep("a", Lessons(peak=3))
    book.keep("a", Lessons(peak=4))
    assert book.of("a") == Lessons(peak=4)
    assert ["cannot be kept" in record.getMessage() for record in caplog.records] == [True]


def test_what_is_known_already_is_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "lessons.json"
    book = LessonBook(file)
    book.keep("a", Lessons(peak=3))
    file.unlink()
    book.keep("a", Lessons(peak=3))
    assert not file.exists()


def test_the_book_does_not_grow_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "lessons.json"
    many = {f"model {number}": {"peak": 1} for number in range(MOST_KEYS)}
    file.write_text(json.dumps({"version": 1, "lessons": many}))
    book = LessonBook(file)
    book.keep("model 0", Lessons(peak=2))
    book.keep("one more", Lessons(peak=3))
    assert book.of("model 0") == Lessons(peak=2)
    assert book.of("model 1") == Lessons()
    assert repr(LessonBook(file)) == f"<LessonBook {file}: {MOST_KEYS} lessons>"
