"""Captions of scenes: what people would type, with attributes left out now and then."""

import random
from dataclasses import dataclass

from images.diffusers.shapes.colours import NAMES

SHAPES = ("circle", "square", "triangle", "star")
PLACES = ("left", "center", "right")
SIZES = ("small", "big")
PLACE_WORDS = (
    ("on the left", "on the left side", "at the left"),
    ("in the center", "in the centre", "in the middle"),
    ("on the right", "on the right side", "at the right"),
)
SIZE_WORDS = (("small", "little"), ("big", "large"))
OPENINGS = ("a picture of a", "a drawing of a", "the", "one", "")
BACKGROUND_FORMS = ("on a {} background", "on {} background", "with a {} background", ", {} background")
OTHER_WORDS = ("an", "image", "shape", "and", "of", "it", "is", "make", "change", "to", "move", "slide", "sliding")


@dataclass(frozen=True)
class Named:
    """What a caption says of a scene; None where it is silent. Indices as in `render.Scenes`."""

    shape: int | None
    colour: int | None
    background: int | None
    place: int | None
    size: int | None


def plain_caption(shape: str, colour: str, background: str) -> str:
    """The evaluated form: "a red circle on a blue background"."""
    return f"a {colour} {shape} on a {background} background"


def choose_named(scene: Named, dice: random.Random) -> Named:
    """Leave out attributes: place and size half of the time, the others seldom."""

    def said(value: int | None, chance: float) -> int | None:
        return value if dice.random() < chance else None

    return Named(
        said(scene.shape, 0.97),
        said(scene.colour, 0.96),
        said(scene.background, 0.88),
        said(scene.place, 0.4),
        said(scene.size, 0.4),
    )


def write_caption(named: Named, dice: random.Random) -> str:
    """A caption that says exactly what is named."""
    opening = "a" if dice.random() < 0.8 else dice.choice(OPENINGS)
    words = [opening]
    if named.size is not None:
        words.append(dice.choice(SIZE_WORDS[named.size]))
    if named.colour is not None:
        words.append(NAMES[named.colour])
    words.append("shape" if named.shape is None else SHAPES[named.shape])
    if named.place is not None:
        words.append(dice.choice(PLACE_WORDS[named.place]))
    if named.background is not None:
        form = BACKGROUND_FORMS[0] if dice.random() < 0.7 else dice.choice(BACKGROUND_FORMS)
        words.append(form.format(NAMES[named.background]))
    return " ".join(words).replace(" ,", ",").strip()


def vocabulary() -> list[str]:
    """Every word a caption can hold, sorted."""
    phrases = [*NAMES, *SHAPES, *OPENINGS, *BACKGROUND_FORMS, *OTHER_WORDS, *PLACES]
    phrases += [phrase for group in (*PLACE_WORDS, *SIZE_WORDS) for phrase in group]
    words = " ".join(phrases).replace("{}", "").replace(",", " , ").split()
    return sorted(set(words))
