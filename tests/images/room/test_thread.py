"""The worker's thread, asked from an event loop."""

from collections.abc import Callable

import pytest

from tests.images.room.conftest import Facts

pytestmark = pytest.mark.timeout(900)  # the first test of the file waits for a model and a probe


@pytest.fixture(scope="module")
def facts(probe: Callable[[str, str], Facts]) -> Facts:
    return probe("thread", "sd15")


def test_before_the_weights_are_there_a_request_is_told_so(facts: Facts) -> None:
    assert facts["before"] == ["<Worker loading: 0 running, 0 waiting>", "503 engine_loading"]


def test_requests_that_agree_in_size_and_steps_become_one_batch(facts: Facts) -> None:
    meeting = facts["meeting"]
    assert meeting["running and waiting"] == [1, 4]
    assert meeting["batches"] == [1, 3, 1]
    assert max(meeting["apart from alone"]) <= 1
    assert meeting["running and waiting after"] == [0, 0]


def test_one_of_two_who_leaves_does_not_stop_the_other(facts: Facts) -> None:
    assert facts["leaving"]["one"] == ["1 made"]


def test_when_all_have_left_nothing_is_made_and_the_next_picture_is_what_it_would_have_been(facts: Facts) -> None:
    leaving = facts["leaving"]
    assert leaving["both"] == ["499 cancelled", "499 cancelled"]
    assert leaving["made of both"] == 0
    assert leaving["next apart"] == 0


def test_a_batch_without_room_is_tried_one_by_one_before_anybody_is_refused(facts: Facts) -> None:
    memory = facts["memory"]
    assert memory["several"] == "3 made"
    assert memory["tried"] == [3, 1, 1, 1]
    assert memory["one"] == "503 out_of_memory"
    assert memory["next"] == "1 made"


def test_a_fault_of_the_pipeline_ends_its_request_and_not_the_engine(facts: Facts) -> None:
    assert facts["fault"] == ["500 engine_error", "1 made", "<Worker ready: 0 running, 0 waiting>"]


def test_sleep_and_wake_are_idempotent_and_a_sleeper_refuses(facts: Facts) -> None:
    sleep = facts["sleep"]
    assert sleep["seconds"]
    assert sleep["again is at once"]
    assert sleep["refused"] == "503 engine_asleep"
    assert sleep["shown"] == "<Worker asleep: 0 running, 0 waiting>"
    assert sleep["apart"] == 0


def test_closing_calls_off_what_runs_and_what_waits(facts: Facts) -> None:
    assert facts["closing"] == ["499 cancelled", "499 cancelled"]


def test_a_folder_without_a_model_is_the_reason_for_not_starting(facts: Facts) -> None:
    assert facts["no model"].startswith("SCRATCH/nowhere has no model_index.json")
