"""Every picture family, each kind of work that it does, from a tiny model through the engine's HTTP server."""

import pytest
from PIL.Image import Image

from tests.images.families.drawing import SIZE, Kind, draw, furthest, refused_for, seen, stream
from tests.images.server import Engine, Engines


def stable_diffusion(model: str, negative: bool = True) -> list[Kind]:
    """The four kinds of work that one set of weights does, where an edit is image to image."""
    rest = (("edit", 1), ("variation", 1), ("inpaint", 1))
    return [
        Kind(model, negative=negative),
        *(Kind(model, work, negative=negative, strength=True, images=images) for work, images in rest),
    ]


KINDS = [
    *stable_diffusion("sd15"),
    Kind("sd15-inpaint", "inpaint", strength=True, images=1),
    Kind("instruct-pix2pix", "edit", images=1),
    Kind("lcm", negative=False),
    Kind("lcm", "edit", negative=False, strength=True, images=1),
    Kind("lcm", "variation", negative=False, strength=True, images=1),
    *stable_diffusion("sdxl"),
    *stable_diffusion("sd3"),
    *stable_diffusion("flux-dev"),
    Kind("flux-schnell", guidance=False),
    Kind("flux-schnell", "edit", guidance=False, strength=True, images=1),
    Kind("flux-kontext"),
    Kind("flux-kontext", "edit", images=1),
    Kind("flux-kontext", "inpaint", strength=True, images=1),
    Kind("flux-fill", "inpaint", negative=False, strength=True, images=1),
    Kind("flux2-klein", guidance=False, negative=False),
    Kind("flux2-klein", "edit", guidance=False, negative=False, images=2),
    Kind("flux2-klein", "inpaint", guidance=False, negative=False, strength=True, images=1),
    *stable_diffusion("qwen-image"),
    Kind("qwen-image-edit", "edit", images=1),
    Kind("qwen-image-edit", "inpaint", strength=True, images=1),
    Kind("qwen-image-edit-plus", "edit", images=2),
    *stable_diffusion("z-image"),
]
OTHER_PROMPT = "a blue star on green, which takes quite a few more words to say"
SECOND = 8  # the seed after the one that every request has


# One parameter for the whole module: all tests of a kind run in a row, and no server starts twice.
@pytest.fixture(scope="module", params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture(scope="module")
def server(engine: Engines, kind: Kind) -> Engine:
    return engine(kind.model)


@pytest.fixture(scope="module")
def plain(server: Engine, kind: Kind) -> Image:
    """What comes of the request that the tests vary."""
    return draw(server, kind)[0]


def guided(kind: Kind) -> dict[str, object]:
    """Guidance under which a negative prompt counts."""
    return {"guidance_scale": 4} if kind.guidance else {}


def test_a_picture_of_the_asked_size_comes_that_is_not_of_one_colour(plain: Image) -> None:
    assert plain.size == SIZE
    assert len(plain.convert("RGB").getcolors(SIZE[0] * SIZE[1]) or []) > 100


def test_the_prompt_and_the_pictures_count(server: Engine, kind: Kind) -> None:
    """Pictures at a strength that leaves some of them."""
    some: dict[str, object] = {"strength": 0.5} if kind.strength else {}
    before = draw(server, kind, **some)[0]
    assert furthest(draw(server, kind, prompt=OTHER_PROMPT, **some)[0], before) > 1
    if kind.images:
        assert furthest(draw(server, kind, turn=180, **some)[0], before) > 1


def test_two_of_one_request_are_each_what_they_are_alone(server: Engine, kind: Kind, plain: Image) -> None:
    first, second = draw(server, kind, n=2)
    assert furthest(first, plain) <= 1
    assert furthest(second, draw(server, kind, seed=SECOND)[0]) <= 1
    assert furthest(first, second) > 1


def test_guidance_counts_or_is_refused(server: Engine, kind: Kind, plain: Image) -> None:
    if kind.guidance:
        assert furthest(draw(server, kind, guidance_scale=12)[0], plain) > 0
    else:
        assert refused_for(server, kind, guidance_scale=12) == "guidance_scale"


def test_a_negative_prompt_counts_or_is_refused(server: Engine, kind: Kind) -> None:
    if kind.negative:
        with_it = draw(server, kind, negative_prompt="ugly", **guided(kind))[0]
        assert furthest(with_it, draw(server, kind, **guided(kind))[0]) > 0
    else:
        assert refused_for(server, kind, negative_prompt="ugly", **guided(kind)) == "negative_prompt"


def test_strength_counts_or_is_refused(server: Engine, kind: Kind) -> None:
    if kind.strength:
        # The first of them leaves none of four steps, and takes one all the same.
        faint, middling, strong = (draw(server, kind, strength=strength)[0] for strength in (0.02, 0.5, 1))
        assert furthest(faint, middling) > 1
        assert furthest(middling, strong) > 1
    else:
        assert refused_for(server, kind, strength=0.5) == "strength"


def test_previews_are_pictures_and_a_hang_up_leaves_the_next_picture_as_it_was(
    server: Engine, kind: Kind, plain: Image
) -> None:
    if kind.work != "variation":  # which no SDK streams
        with stream(server, kind, partial_images=1, progress=True) as events:
            previews = (event for event in events if event["type"].endswith(".partial_image"))
            assert seen(next(previews)).size == SIZE
    assert draw(server, kind)[0].tobytes() == plain.tobytes()
