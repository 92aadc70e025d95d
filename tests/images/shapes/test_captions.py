"""What the models' captions say."""

import json
import random

from images.diffusers.shapes.captions import Named, choose_named, plain_caption, vocabulary, write_caption
from images.diffusers.shapes.colours import COLOURS
from tests.images.shapes.engine_side import WEIGHTS

SCENE = Named(shape=3, colour=2, background=4, place=0, size=1)


def test_a_plain_caption_names_colour_shape_and_background() -> None:
    assert plain_caption("star", "red", "blue") == "a red star on a blue background"


def test_a_caption_says_every_attribute_that_is_named() -> None:
    for seed in range(50):
        words = set(write_caption(SCENE, random.Random(seed)).replace(",", "").split())
        assert {"red", "star", "blue", "left"} <= words
        assert words & {"big", "large"}


def test_a_caption_is_silent_about_what_is_not_named() -> None:
    silent = Named(shape=0, colour=None, background=None, place=None, size=None)
    for seed in range(50):
        words = set(write_caption(silent, random.Random(seed)).split())
        assert not words & {*COLOURS, "background", "left", "right", "small", "big", "large", "little"}


def test_place_and_size_are_left_out_of_about_half_of_the_captions() -> None:
    dice = random.Random(0)
    named = [choose_named(SCENE, dice) for _ in range(1000)]
    assert 0.3 < sum(one.place is None for one in named) / 1000 < 0.7
    assert 0.3 < sum(one.size is None for one in named) / 1000 < 0.7


def test_no_two_colours_are_alike() -> None:
    values = list(COLOURS.values())
    for index, one in enumerate(values):
        for other in values[index + 1 :]:
            assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) > 100**2


def test_the_tokenizer_knows_every_caption_word_as_one_token() -> None:
    tokens = json.loads((WEIGHTS / "shapes" / "tokenizer" / "tokenizer.json").read_text())["model"]["vocab"]
    assert [word for word in vocabulary() if f"{word}</w>" not in tokens] == []
