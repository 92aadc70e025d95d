"""The safety checker of a model's own folder."""

from collections.abc import Callable

import pytest

from tests.images.room.conftest import Facts

pytestmark = pytest.mark.timeout(900)  # the first test of the file waits for a model and a probe


@pytest.fixture(scope="module")
def facts(probe: Callable[[str, str], Facts]) -> Facts:
    return probe("safety", "sd15")


def test_what_the_checker_objects_to_is_black_and_told_and_so_are_its_previews(facts: Facts) -> None:
    assert facts["objects"]["flagged"] == [True, True]
    assert facts["objects"]["brightest"] == [0, 0]


def test_what_it_lets_pass_is_the_picture_without_it(facts: Facts) -> None:
    assert facts["lets pass"]["flagged"] == [False, False]
    assert facts["lets pass"]["apart"] == 0
    assert min(facts["lets pass"]["brightest"]) > 50


def test_it_acts_only_where_the_entry_asks_for_it(facts: Facts) -> None:
    assert facts["off"]["flagged"] == [False, False]
    assert facts["off"]["apart"] == 0


def test_asked_for_and_not_in_the_model_it_is_the_reason_for_not_starting(facts: Facts) -> None:
    assert facts["not in the model"].startswith("--safety-checker: MODEL has no safety_checker")
