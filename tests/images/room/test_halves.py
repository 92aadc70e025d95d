"""Weights in fp16, which are fetched alone where a model is computed in float16."""

from collections.abc import Callable

import pytest

from manager.weights.pipelines import HALF, HALF_INDEX
from tests.images.room.conftest import Facts

pytestmark = pytest.mark.timeout(900)  # the first test of the file waits for a model and a probe


@pytest.fixture(scope="module")
def facts(probe: Callable[[str, str], Facts]) -> Facts:
    return probe("halves", "sd15")


def test_weights_in_fp16_are_loaded_where_they_are_wanted_or_all_there_is(facts: Facts) -> None:
    assert facts["loaded"] == {
        "alone torch.float16": True,
        "alone torch.float32": True,
        "shards torch.float16": True,
        "shards torch.float32": True,
        "both torch.float16": True,
        "both torch.float32": False,
        "one plain torch.float16": False,
        "one plain torch.float32": False,
    }


def test_the_manager_knows_the_names_that_the_libraries_give_to_weights_in_fp16(facts: Facts) -> None:
    names = [name.rpartition("/")[2] for name in facts["files"]]
    assert any("-of-" in name for name in names)
    assert [name for name in names if not (HALF.fullmatch(name) or HALF_INDEX.fullmatch(name))] == []
