"""Clips of every family, each from a tiny model, through the engine's HTTP server."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.images.families.filming import Film, as_text, boxes, events, film, picture, refusal
from tests.images.families.torch_side import probe
from tests.images.server import Engines


@dataclass(frozen=True)
class Case:
    """A request to the tiny model of that name. Pixels, frames."""

    model: str
    width: int = 64
    height: int = 64
    frames: int = 5
    pictured: bool = False
    prompted: bool = True

    def request(self, prompt: str = "a red circle", colour: str = "red", **changes: object) -> dict[str, object]:
        size = f"{self.width}x{self.height}"
        request: dict[str, object] = {"size": size, "num_frames": self.frames, "fps": 6, "seed": 1}
        request["num_inference_steps"] = 3
        if self.prompted:
            request["prompt"] = prompt
        if self.pictured:
            request["image"] = as_text(picture(colour))
        return request | changes

    def others(self) -> dict[str, object]:
        """One change for each thing that the clip is made from."""
        changes: dict[str, object] = {"seed": 2}
        if self.prompted:
            changes |= {"prompt": "something else", "negative_prompt": "something else"}
        return changes | ({"colour": "blue"} if self.pictured else {})


CASES: Mapping[str, Case] = {
    "svd": Case("svd", 96, 64, frames=3, pictured=True, prompted=False),
    "wan": Case("wan", 96, 64),
    "wan, both ways, without a picture": Case("wan-both"),
    "wan, both ways, with a picture": Case("wan-both", pictured=True),
    "wan in two stages": Case("wan-two-stages"),
    "wan from a picture": Case("wan-image", pictured=True),
    "ltx": Case("ltx", 96, 64, frames=9),
    "ltx with a picture": Case("ltx", frames=9, pictured=True),
    "ltx conditioned": Case("ltx-condition", frames=9),
    "ltx conditioned on a picture": Case("ltx-condition", frames=9, pictured=True),
    "cogvideox": Case("cogvideox", 96, 64, frames=9),
    "cogvideox from a picture": Case("cogvideox-image", frames=17, pictured=True),
    "animatediff": Case("animatediff", 96, 64, frames=4),
}


@pytest.fixture(scope="module", params=list(CASES.values()), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    """Of the module, so that all that is asked of one engine is asked in a row."""
    asked: Case = request.param
    return asked


@pytest.fixture(scope="module")
def made(engine: Engines, case: Case) -> Film:
    return ask(engine, case)


def url(engine: Engines, model: str) -> str:
    return engine(model, "--types", "video").base_url


def ask(engine: Engines, case: Case, **changes: object) -> Film:
    return film(url(engine, case.model), **case.request(**changes))  # type: ignore[arg-type] # any parameter's name


def test_a_clip_is_h264_of_the_asked_size_and_length(made: Film, case: Case) -> None:
    assert made.steps == ((1, 3), (2, 3), (3, 3))
    assert (made.told["width"], made.told["height"], made.told["frames"]) == (case.width, case.height, case.frames)
    assert (made.told["fps"], made.told["seed"], made.told["steps"]) == (6, 1, 3)
    names = list(boxes(made.file))
    assert names.index("moov") < names.index("mdat")
    assert probe("clip", made.file) == {
        "codec": "h264",
        "pixels": "yuv420p",
        "width": case.width,
        "height": case.height,
        "frames": case.frames,
        "rate": 6,
    }


def test_a_clip_hangs_on_all_that_was_asked_and_on_nothing_else(engine: Engines, made: Film, case: Case) -> None:
    assert ask(engine, case).file == made.file
    for name, value in case.others().items():
        assert ask(engine, case, **{name: value}).seen != made.seen, name


def test_who_hangs_up_stops_the_work_and_changes_nothing_for_the_next(engine: Engines, made: Film, case: Case) -> None:
    server = engine(case.model, "--types", "video")
    clips = server.metric("roundhouse_pictures_total")
    with events(server.base_url, case.request(num_inference_steps=200)) as stream:
        assert next(stream)["type"] == "video.progress"
    assert ask(engine, case).file == made.file
    assert server.metric("roundhouse_pictures_total") == clips + 1


def test_a_called_off_clip_ends_within_one_step() -> None:
    models = sorted({case.model for case in CASES.values()})
    expected = {"steps": [1], "made": 0, "the next is the same": True}
    assert probe("stopping", *models) == dict.fromkeys(models, expected)


class TestStableVideoDiffusion:
    CASE = CASES["svd"]

    def test_motion_noise_and_both_guidances_change_the_clip(self, engine: Engines) -> None:
        plain = ask(engine, self.CASE).seen
        for name, value in (
            ("motion_bucket_id", 250),
            ("noise_aug_strength", 1.0),
            ("guidance_scale", 6.0),
            ("min_guidance_scale", 3.0),
        ):
            assert ask(engine, self.CASE, **{name: value}).seen != plain, name

    def test_frames_and_size_are_the_models_own_unless_asked(self, engine: Engines) -> None:
        made = film(url(engine, "svd"), image=as_text(picture("red")), num_inference_steps=2)
        assert (made.told["frames"], made.told["width"], made.told["height"], made.told["fps"]) == (4, 64, 64, 7)

    def test_a_prompt_is_refused_and_a_picture_needed(self, engine: Engines) -> None:
        where = url(engine, "svd")
        assert refusal(where, prompt="a cat", image=as_text(picture("red")))["param"] == "prompt"
        assert refusal(where)["param"] == "image"

    def test_another_scheduler_is_refused(self, engine: Engines) -> None:
        assert refusal(url(engine, "svd"), image=as_text(picture("red")), scheduler="ddim")["param"] == "scheduler"


def test_wans_second_network_has_a_guidance_of_its_own(engine: Engines) -> None:
    case = CASES["wan in two stages"]
    assert ask(engine, case, guidance_scale_2=9.0).seen != ask(engine, case).seen
    error = refusal(url(engine, "wan"), prompt="a cat", num_frames=5, guidance_scale_2=9.0)
    assert error["param"] == "guidance_scale_2"


def test_lengths_that_a_model_cannot_make_are_refused_by_name(engine: Engines) -> None:
    assert refusal(url(engine, "wan"), prompt="a cat", num_frames=6)["param"] == "num_frames"
    # With an even number of latent frames the VAE would make three frames more.
    assert refusal(url(engine, "cogvideox"), prompt="a cat", num_frames=13)["param"] == "num_frames"
    assert refusal(url(engine, "animatediff"), prompt="a cat", num_frames=33)["param"] == "num_frames"


def test_a_prompt_of_blanks_is_none_and_any_other_control_character_is_one(engine: Engines) -> None:
    assert refusal(url(engine, "wan"), prompt=" \t\n\v\f\r", num_frames=5)["param"] == "prompt"
    assert ask(engine, CASES["wan"], prompt="\x1c").steps[-1] == (3, 3)


def test_learned_positions_fix_the_size(engine: Engines) -> None:
    error = refusal(url(engine, "cogvideox-image"), prompt="a cat", image=as_text(picture("red")), size="96x64")
    assert error["param"] == "size"
    wide = as_text(picture("red", (96, 48)))
    made = film(url(engine, "cogvideox-image"), prompt="a cat", image=wide, num_inference_steps=2)
    assert (made.told["width"], made.told["height"]) == (64, 64)


def test_a_clip_can_be_made_with_another_scheduler(engine: Engines) -> None:
    case = CASES["wan"]
    made = ask(engine, case, scheduler="euler")
    assert made.told["scheduler"] == "FlowMatchEulerDiscreteScheduler"
    assert made.seen != ask(engine, case).seen
