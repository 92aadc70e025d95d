"""The models in the repository do what their cards say, measured by the scripts that come with them."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.images.shapes.engine_side import WEIGHTS, measure

MODELS = ("shapes", "shapes-motion")
LARGEST = 15_000_000


def files(model: str) -> list[Path]:
    return [path for path in (WEIGHTS / model).rglob("*") if path.is_file()]


def test_the_classifier_is_right_about_rendered_pictures() -> None:
    truth = measure("measure", "--truth", "--seed", "7")
    colour, background, both, shape = truth.row("all")[1:]
    assert truth.status == 0
    assert min(colour, background, both) == 100.0
    assert shape >= 99.0


@pytest.mark.long
def test_pictures_show_the_colours_and_the_shape_that_the_prompt_names() -> None:
    drawn = measure("measure", "--steps", "20")
    count, colour, background, both, shape = drawn.row("all")
    assert drawn.status == 0, drawn.printed
    assert count == 224
    assert min(colour, background, both) >= 95.0
    assert shape >= 90.0


def test_pictures_are_as_right_with_other_seeds_and_few_steps() -> None:
    drawn = measure("measure", "--seed", "5000", "--steps", "12")
    assert drawn.status == 0, drawn.printed


@pytest.mark.parametrize("pictures", [12, pytest.param(32, marks=pytest.mark.long)])
def test_img2img_moves_further_from_its_input_with_more_strength_and_a_masked_edit_keeps_the_rest(
    pictures: int,
) -> None:
    edits = measure("measure_edits", "--pictures", str(pictures))
    assert edits.status == 0, edits.printed
    for asked in ("the same", "another scene"):
        assert all(before < after for before, after in pairwise(edits.row(asked)))


@pytest.mark.parametrize(("pictures", "steps"), [(3, 10), pytest.param(6, 12, marks=pytest.mark.long)])
def test_a_clip_begins_with_its_picture_and_moves_further_with_the_bucket(pictures: int, steps: int) -> None:
    moved = measure("measure_motion", "--pictures", str(pictures), "--steps", str(steps))
    still, most = moved.row("0"), moved.row("255")
    assert moved.status == 0, moved.printed
    assert abs(still[1]) < 3.0
    assert most[1] > 0.7 * most[2]


@pytest.mark.parametrize("model", MODELS)
def test_weights_are_small_safetensors_and_nothing_else(model: str) -> None:
    kinds = {path.suffix for path in files(model)}
    assert kinds == {".json", ".safetensors", ".md"}
    assert sum(path.stat().st_size for path in files(model)) < LARGEST


@pytest.mark.parametrize("model", MODELS)
def test_a_card_tells_how_the_model_was_made(model: str) -> None:
    card = (WEIGHTS / model / "README.md").read_text()
    for told in ("python -m images.diffusers.shapes.train", "seed", "Licence", "Limits"):
        assert told in card


def test_no_safety_checker_is_named() -> None:
    index = json.loads((WEIGHTS / "shapes" / "model_index.json").read_text())
    assert index["safety_checker"] == [None, None]
    assert index["requires_safety_checker"] is False
