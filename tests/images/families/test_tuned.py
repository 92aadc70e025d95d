"""Weights that were distilled to a few steps are known for what they are, and their requests filled in accordingly."""

import pytest

from tests.images.families.torch_side import Facts, probe

# Steps and guidance of a request that names none: what the makers of such weights use.
TUNED = {
    "sd15": (25, 7.5),
    "sdxl": (30, 5.0),
    "sdxl-turbo": (1, 0.0),
    "sdxl-lightning": (4, 0.0),
    "sdxl-lcm": (4, 8.5),
    "flux-dev": (28, 3.5),
    "flux-schnell": (4, 0.0),
    "flux-kontext": (28, 2.5),
    "flux-fill": (50, 30.0),
    "flux2-klein": (4, 1.0),
    "flux2-klein-base": (50, 4.0),
    "z-image": (50, 4.0),
    "z-image-turbo": (9, 0.0),
}
# Parameters that do nothing to these weights, though they do to others of the same class.
DEAF = {
    "sdxl-lcm": {"negative_prompt"},
    "flux-schnell": {"guidance_scale"},
    "flux2-klein": {"guidance_scale"},
}
HEARING = {"sdxl": {"negative_prompt"}, "flux-dev": {"guidance_scale"}, "flux2-klein-base": {"guidance_scale"}}


@pytest.fixture(scope="module")
def facts() -> Facts:
    return probe("tuned", *TUNED)


@pytest.mark.parametrize(("name", "expected"), TUNED.items())
def test_defaults_are_those_of_the_weights(facts: Facts, name: str, expected: tuple[int, float]) -> None:
    assert (facts[name]["steps"], facts[name]["guidance"]) == expected


@pytest.mark.parametrize(("name", "parameters"), DEAF.items())
def test_what_weights_are_deaf_to_is_not_promised(facts: Facts, name: str, parameters: set[str]) -> None:
    assert not parameters & set(facts[name]["honours"])


@pytest.mark.parametrize(("name", "parameters"), HEARING.items())
def test_what_they_hear_is(facts: Facts, name: str, parameters: set[str]) -> None:
    assert parameters <= set(facts[name]["honours"])


def test_the_size_is_the_one_that_the_weights_were_trained_at(facts: Facts) -> None:
    assert facts["sdxl"]["size"] == [64, 64]
    assert facts["flux-dev"]["size"] == [1024, 1024]


def test_weights_that_take_a_mask_s_channels_only_inpaint(facts: Facts) -> None:
    assert facts["flux-fill"]["works"] == ["inpaint"]
    assert facts["sd15"]["works"] == ["edit", "generate", "inpaint", "variation"]
