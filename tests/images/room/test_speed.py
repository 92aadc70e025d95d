"""Step caches, attention backends and tiled decoding on a transformer."""

from collections.abc import Callable

import pytest

from tests.images.room.conftest import Facts

pytestmark = pytest.mark.timeout(900)  # the first test of the file waits for a model and a probe


@pytest.fixture(scope="module")
def facts(probe: Callable[[str, str], Facts]) -> Facts:
    return probe("caches", "flux-dev")


@pytest.mark.parametrize("cache", ["first_block", "taylorseer"])
def test_a_stopped_request_leaves_nothing_in_a_step_cache(facts: Facts, cache: str) -> None:
    found = facts["caches"][cache]
    assert found["made when stopped"] == [0, 0]
    assert found["after a stop"] == 0
    assert found["after another"] == 0


def test_a_step_cache_is_in_effect_and_one_that_judges_whole_batches_gets_no_batches(facts: Facts) -> None:
    assert facts["caches"]["taylorseer"]["changes"] > 5
    assert facts["caches"]["taylorseer"]["most"] == 4
    assert facts["caches"]["first_block"]["most"] == 1


def test_the_native_attention_backend_and_tiles_draw(facts: Facts) -> None:
    assert facts["native attention"] == 0
    assert facts["tiled"] == [64, 64, 3]


def test_what_the_model_cannot_have_is_the_reason_for_not_starting(facts: Facts) -> None:
    cache, attention, downloaded = facts["refused"]
    assert cache == "--cache none: there are first_block, taylorseer"
    assert attention.startswith("--attention none: ")
    assert downloaded.startswith("--attention flash_hub: its kernels are code that is downloaded")
