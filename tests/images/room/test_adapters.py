"""LoRAs, ControlNets and IP-Adapters: on for one request, and then gone."""

from collections.abc import Callable

import pytest

from tests.images.room.conftest import Facts

pytestmark = pytest.mark.timeout(900)  # the first test of the file waits for a model and a probe


@pytest.fixture(scope="module")
def facts(probe: Callable[[str, str], Facts]) -> Facts:
    return probe("adapters", "sd15")


def test_loras_change_the_picture_by_their_scale_alone_and_together(facts: Facts) -> None:
    loras = facts["loras"]
    assert loras["changes"] > 20
    assert loras["scaled to nothing"] == 0
    assert loras["two differ"] > 20
    assert loras["both differ from one"] > 5
    assert loras["again"] == 0


def test_without_its_lora_the_picture_is_what_it_was_to_the_bit_also_after_a_stop(facts: Facts) -> None:
    loras = facts["loras"]
    assert loras["plain after"] == 0
    assert loras["stopped"] == 0
    assert loras["plain after a stop"] == 0


def test_more_loras_than_are_kept_are_loaded_again_when_they_are_asked_for(facts: Facts) -> None:
    assert all(facts["loras"]["many"])
    assert facts["loras"]["one after many"] == 0


def test_a_file_that_is_no_lora_of_this_model_is_refused_and_leaves_nothing(facts: Facts) -> None:
    loras = facts["loras"]
    assert loras["misfit"] == [400, "loras", "The LoRA 'misfit' does not fit this model."]
    assert loras["plain after a misfit"] == 0
    assert loras["one after a misfit"] == 0


def test_a_controlnet_leads_every_work_by_its_picture_and_is_gone_after(facts: Facts) -> None:
    led = facts["controlnet"]
    assert led["changes"] > 20
    assert led["follows its picture"] > 5
    assert led["edit"] == led["inpaint"] == [64, 64, 3]
    assert led["batch"] <= 1
    assert led["plain after"] == 0


def test_a_controlnet_of_another_model_is_refused(facts: Facts) -> None:
    assert facts["controlnet"]["misfit"] == [400, "controlnet", "The ControlNet 'wide' does not fit this model."]


def test_an_ip_adapter_follows_its_picture_and_is_gone_after(facts: Facts) -> None:
    shown = facts["ip_adapter"]
    assert shown["changes"] > 20
    assert shown["follows its picture"] > 5
    assert shown["batch"] <= 1
    assert shown["plain after"] == 0


def test_unknown_and_unsafe_names_are_refused_with_those_that_are_there(facts: Facts) -> None:
    none, outside, twice, controlnet, ip_adapter = facts["refused"]
    there = "there are: misfit, more0, more1, more2, more3, more4, one, two."
    assert none == [400, "loras", f"There is no 'none' among loras; {there}"]
    assert outside == [400, "loras", f"There is no '../loras/one' among loras; {there}"]
    assert twice == [400, "loras", "A LoRA is named twice."]
    assert controlnet[:2] == [400, "controlnet"]
    assert "edges, wide" in controlnet[2]
    assert ip_adapter[:2] == [400, "ip_adapter"]
