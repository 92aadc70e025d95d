"""One pipeline, drawn with by hand: batches, stops, previews, schedulers, embeddings, sleep and failures."""

from collections.abc import Callable

import pytest

from tests.images.room.conftest import Facts

pytestmark = pytest.mark.timeout(900)  # the first test of the file waits for a model and a probe


@pytest.fixture(scope="module")
def facts(probe: Callable[[str, str], Facts]) -> Facts:
    return probe("drawing", "sd15")


def test_each_picture_of_a_batch_is_within_one_level_of_what_it_is_alone(facts: Facts) -> None:
    assert max(facts["batch"]) <= 1
    assert facts["seeds differ"] > 20


@pytest.mark.parametrize("way", ["CALLBACK", "LEGACY", "FORWARD"])
def test_a_stop_ends_the_denoising_within_one_step_and_the_next_picture_is_the_same(facts: Facts, way: str) -> None:
    stop = facts["stops"][way]
    assert stop["steps"] == [[0, step, 4] for step in (1, 2, 3, 4)]
    assert stop["steps before the stop"] == [[0, 1, 4], [0, 2, 4], [-1, -1, -1]]
    assert stop["made when stopped"] == 0
    assert stop["next apart"] == 0
    assert stop["hooks left"] == 0


def test_previews_come_evenly_for_every_picture_and_leave_it_as_it_is(facts: Facts) -> None:
    previews = facts["previews"]
    assert previews["ordinals"] == [[index, ordinal] for ordinal in range(3) for index in range(2)]
    assert previews["picture unchanged"] <= 1  # drawn in a batch, compared with alone
    assert previews["size"] == [64, 64]
    assert previews["too many"] == 1


@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp_2m", "euler", "unipc", "pndm", "heun", "deis"])
def test_a_preview_shows_the_clean_picture_and_nears_it(facts: Facts, scheduler: str) -> None:
    first, second, third = facts["previews"]["nearing"][scheduler]
    assert first > second > third
    # The noisy latents themselves, decoded, are this far away.
    assert third < first < facts["previews"]["noisy"] / 2


def test_a_scheduler_is_used_for_one_request_only(facts: Facts) -> None:
    schedulers = facts["schedulers"]
    assert schedulers["names"]["euler_a"] == "EulerAncestralDiscreteScheduler"
    assert schedulers["names"]["dpmpp_2m_karras"] == "DPMSolverMultistepScheduler"
    assert schedulers["different pictures"] >= len(schedulers["names"]) - 2
    assert schedulers["own before and after"] == ["DDIMScheduler", "DDIMScheduler"]
    assert schedulers["plain after"] == 0


def test_a_scheduler_of_another_kind_of_model_is_refused_with_those_that_can_be_used(facts: Facts) -> None:
    refusal = facts["schedulers"]["refusal"]
    assert refusal.startswith("400 scheduler ")
    assert "euler_a" in refusal


def test_a_repeated_prompt_is_not_encoded_again_and_gives_the_same_bytes(facts: Facts) -> None:
    assert facts["embeddings"] == {"same bytes": True, "hits": 2, "misses": 0}


def test_derived_pipelines_share_the_weights_keep_their_dtypes_and_have_their_own_scheduler(facts: Facts) -> None:
    derived = facts["derived"]
    assert derived["shared"] == {"vae": True, "text_encoder": True, "tokenizer": True, "unet": True}
    assert derived["own scheduler"]
    assert derived["kept"]
    assert derived["dtypes"] == ["torch.bfloat16", "torch.bfloat16", "torch.float32"]


def test_after_sleeping_at_either_level_the_picture_is_the_same_and_level_two_leaves_no_weights(facts: Facts) -> None:
    assert facts["sleep"] == {"level 1": 0, "level 2": 0, "weights left": 0}


def test_failures_are_told_without_a_retry_without_secrets_and_change_nothing(facts: Facts) -> None:
    device, host, other = facts["faults"]["told"]
    for status, code, message, headers in (device, host):
        assert (status, code) == (503, "out_of_memory")
        assert "1 x 64x64" in message
        assert headers == {"x-should-retry": "false"}
    assert other[:2] == [500, "engine_error"]
    assert "ZeroDivisionError" in other[2]
    assert "secret" not in other[2]
    assert facts["faults"]["next apart"] == 0
