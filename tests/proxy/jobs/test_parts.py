"""The parts of jobs by themselves: the file, the queues, the course, the fields of a wish."""

import base64
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ApiError, Origin
from contract.jobs import JobStage, JobStatus
from proxy.endpoints._video_fields import wish_of_form, wish_of_json
from proxy.jobs.course import Course
from proxy.jobs.database import JobDatabase, Query
from proxy.jobs.event_reader import EngineEvent, EventReader, Made
from proxy.jobs.job import IMAGE, VIDEO, Job, Outcome, new_id
from proxy.jobs.queues import Queues


def job(owner: str = "me", kind: str = VIDEO) -> Job:
    return Job(new_id(kind), kind, owner, "filmer", 1, {"prompt": "a ball"})


def over(one: Job) -> Job:
    outcome = Outcome(("art_1",), (7,), "64x48", 8, 16, 2.0)
    return Job(one.id, one.kind, one.owner, one.model, 1, one.request, JobStatus.COMPLETED, outcome=outcome)


def test_what_was_written_is_there_for_the_next_who_opens_the_file(tmp_path: Path) -> None:
    first, second, picture = job(), job(), job(kind=IMAGE)
    database = JobDatabase(tmp_path / "deep" / "jobs.sqlite3")
    assert (database.not_over(), database.page("me", Query()), database.find("me", first.id)) == ([], [], None)
    for each in (first, second, picture):
        database.add(each)
    assert database.update(over(first), {"spritesheet": b"jpeg"})
    database.close()
    again = JobDatabase(tmp_path / "deep" / "jobs.sqlite3")
    assert again.not_over() == [second, picture]
    assert again.find("me", first.id) == over(first)
    assert again.find("you", first.id) is None
    assert again.variant(first.id, "spritesheet") == b"jpeg"
    assert again.page("me", Query(VIDEO, limit=1)) == [second]
    assert again.page("me", Query(VIDEO, second.id)) == [over(first)]
    again.remove(first.id)
    assert (again.find("me", first.id), again.variant(first.id, "spritesheet")) == (None, None)
    assert not again.update(over(first), {"spritesheet": b"jpeg"})
    assert again.variant(first.id, "spritesheet") is None
    again.close()


def test_one_proxy_alone_has_the_file(tmp_path: Path) -> None:
    first, second = (JobDatabase(tmp_path / "jobs.sqlite3") for _ in range(2))
    first.add(job())
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        second.not_over()
    first.close()
    assert len(second.not_over()) == 1
    second.close()


def test_a_file_of_a_newer_version_and_a_damaged_one_are_left_alone(tmp_path: Path) -> None:
    newer, damaged = tmp_path / "newer", tmp_path / "damaged"
    with sqlite3.connect(newer) as link:
        link.execute("PRAGMA user_version = 99")
    link.close()
    damaged.write_bytes(b"no database " * 1000)
    for path in (newer, damaged):
        database = JobDatabase(path)
        with pytest.raises(sqlite3.DatabaseError):
            database.add(job())
        database.close()


@given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from("abc"), st.integers(0, 20))))
def test_positions_are_the_order_of_arrival_whatever_happens(steps: list[tuple[str, str, int]]) -> None:
    queues = Queues()
    order: dict[str, list[str]] = {model: [] for model in "abc"}
    for number, (verb, model, which) in enumerate(steps):
        line = order[model]
        if verb == "add":
            queues.add(model, str(number))
            line.append(str(number))
        elif line:
            assert queues.remove(model, line.pop(which % len(line)))
        assert [queues.position(model, each) for each in line] == list(range(1, len(line) + 1))
        assert queues.of(model) == tuple(line)
        assert queues.count(model) == len(line)
        assert (model in queues.models) == bool(line)
        assert not queues.remove(model, "nobody")


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
def test_progress_never_falls_and_is_not_whole_before_the_end(planned: int, first: int, second: int) -> None:
    course = Course({JobStage.KEYFRAME: planned, JobStage.VIDEO: planned})
    seen = [course.percent]
    for stage, steps in ((JobStage.KEYFRAME, first), (JobStage.VIDEO, second)):
        course.begin(stage, "m")
        for step in range(1, steps + 1):
            course.take(step, steps, float(step))
            seen.append(course.percent)
    assert seen == sorted(seen)
    assert seen[-1] == 99


def test_asking_again_is_worth_it_after_a_step_or_when_those_before_are_done() -> None:
    course = Course()
    assert (course.poll_after(0), course.poll_after(3), course.poll_after(99)) == (250, 3000, 5000)
    course.take(1, 9, 10.0)
    course.take(2, 9, 12.0)
    assert course.poll_after(0) == 2000


def test_a_form_and_json_that_say_the_same_are_the_same_wish() -> None:
    said = {"prompt": "12", "model": "m", "seconds": 4, "seed": 3, "motion": 9, "size": "64x64"}
    form = [(name, str(value)) for name, value in said.items()]
    assert wish_of_form(form, []) == wish_of_json(said)
    assert wish_of_json(said).fields["motion_bucket_id"] == 9


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"seconds": "four"}, "seconds"),
        ({"seconds": 10**9}, "seconds"),
        ({"seed": True}, "seed"),
        ({"seed": 2**70}, "seed"),
        ({"prompt": 3}, "prompt"),
        ({"model": 3}, "model"),
        ({"loras": [{"path": "/etc"}]}, "loras.0.name"),
        ({"mood": {"a": 1}}, "mood"),
        ({"trust": True}, "trust"),
        ({"input_reference": 3}, "input_reference"),
        ({"input_reference": {}, "image": {"x": 1}}, "image"),
        ({f"extra_{number}": 1 for number in range(40)}, "extra_0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_field_that_is_wrong_is_named(document: dict[str, object], param: str) -> None:
    with pytest.raises(ApiError) as raised:
        wish_of_json({"prompt": "a ball", **document})
    assert (raised.value.status, raised.value.param) == (400, param)


# What an engine sends

PIECE = bytes(range(256)) * 5
CLIP = base64.b64encode(PIECE).decode()


def stream(**more: object) -> bytes:
    """Steps, a comment, and a clip, as an engine sends them."""
    completed = {"type": "video.completed", "seed": 7, "b64_json": CLIP, "width": 64, **more}
    steps = "".join(f'data: {{"type": "video.progress", "step": {step}, "steps": 3}}\n\n' for step in (1, 2, 3))
    return f": at work\n\nevent: x\n{steps}data: {json.dumps(completed)}\n\ndata: [DONE]\n\n".encode()


@given(st.lists(st.integers(1, 700), max_size=12))
def test_events_are_the_same_however_their_bytes_are_cut(cuts: list[int]) -> None:
    data, found, reader = stream(), list[EngineEvent | Made](), EventReader(10**6)
    for cut in [*cuts, len(data)]:
        found += reader.feed(data[:cut])
        data = data[cut:]
    assert [each.step for each in found if isinstance(each, EngineEvent)] == [1, 2, 3]
    (made,) = [each for each in found if isinstance(each, Made)]
    assert (b"".join(made.content), made.event.seed, made.event.width) == (PIECE, 7, 64)
    assert made.head[:12] == PIECE[:12]


def test_a_text_that_only_looks_like_a_result_is_none() -> None:
    said = {"type": "video.completed", "scheduler": '"b64_json":"AAAA"', "b64_json": CLIP}
    (made,) = EventReader(10**6).feed(f"data: {json.dumps(said, separators=(',', ':'))}\n".encode())
    assert isinstance(made, Made)
    assert (made.event.scheduler, b"".join(made.content)) == ('"b64_json":"AAAA"', PIECE)


@pytest.mark.parametrize(
    "data",
    [
        stream(b64_json="AAAA=AAA"),
        stream(b64_json="AA==AAAA"),
        stream(b64_json="AAA"),
        stream(b64_json=""),
        stream(b64_json=None),
        stream(b64_json="\u00e9" * 8),
        stream(thumbnail_b64=base64.b64encode(b"<svg>").decode()),
        stream(width="wide"),
        b'data: {"type": "video.completed", "b64_json": "AAAA", "b64_json": "AAAA"}\n',
        b"data: " + b"[" * 100_000 + b"\n",
        b"x" * (9 * 2**20),
        b'data: {"type": "a.progress"}\n' * 100_001,
        b'data: {"type": "video.completed", "b64_json": "' + b"AAAA" * 400_000,
    ],
    ids=lambda data: f"{data[-40:-1]!r}",
)
def test_what_cannot_be_used_is_the_engines_fault_and_bounded(data: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        EventReader(10**6).feed(data)
    assert (raised.value.status, raised.value.code, raised.value.origin) == (502, "engine_error", Origin.ENGINE)


def test_an_error_inside_the_stream_is_the_engines_own() -> None:
    error = {"message": "too little memory", "type": "invalid_request_error", "code": "too_large", "param": "size"}
    with pytest.raises(ApiError, match="too little memory") as raised:
        EventReader(10**6).feed(f"data: {json.dumps({'error': error})}\n\n".encode())
    assert (raised.value.status, raised.value.code, raised.value.param) == (400, "too_large", "size")
