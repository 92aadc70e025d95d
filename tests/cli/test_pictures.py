"""Pictures from a scripted proxy: the closing one of a setup, `gen image`, and how they look in a terminal."""

import base64
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from cli.blocks import can_show, picture_text
from cli.client import Client
from cli.failures import Failure
from cli.pictures import Picture, first_picture, name_for, write
from cli.settings import CliSettings
from cli.steps import Steps
from contract.states import ModelState
from tests.cli.scripted_proxy import Answer, Script, error_answer, models_answer, scripted_proxy, status_of
from tests.cli.test_verbs import Result, roundhouse
from tests.fakes.pictures import BLUE, png

PATH = "POST /v1/images/generations"
DEFAULT = status_of("small", ModelState.STOPPED, type=("image",), default_for=("image",))
PNG = png(2, 2)


def event(kind: str, **fields: object) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


STEP = event("image_generation.progress", step=3, steps=25)
PARTIAL = event(
    "image_generation.partial_image", b64_json=base64.b64encode(b"half done").decode(), partial_image_index=0
)
DONE = event("image_generation.completed", b64_json=base64.b64encode(PNG).decode(), seed=11)


def script_of(*parts: str) -> dict[str, Answer]:
    return {"GET /admin/models": models_answer(DEFAULT), PATH: Answer(parts, kind="text/event-stream")}


def first(folder: Path, *parts: str) -> tuple[Path, str, Script]:
    """Where the closing picture lies, what was printed, and what was asked."""
    output = io.StringIO()
    with scripted_proxy(script_of(*parts)) as proxy:
        client = Client(proxy.base_url, None)
        try:
            steps = Steps(Console(file=output, width=100), folder / "setup.log")
            return first_picture(client, CliSettings(run_dir=folder / "run"), steps), output.getvalue(), proxy
        finally:
            client.close()


def generate(*arguments: str, parts: tuple[str, ...] = (STEP, DONE)) -> tuple[Result, Script]:
    with scripted_proxy(script_of(*parts)) as proxy:
        return roundhouse(proxy.base_url, "gen", "image", *arguments), proxy


def test_the_closing_picture_is_written_and_its_steps_are_shown(tmp_path: Path) -> None:
    file, printed, proxy = first(tmp_path, ": starting: loading weights, 5 s\n\n", STEP, PARTIAL, DONE)
    assert file == tmp_path / "run" / "first-picture.png"
    assert file.read_bytes() == PNG
    assert "starting: loading weights, 5 s" in printed
    assert "step 3 of 25" in printed
    assert "from small" in printed
    (body,) = (each for each in proxy.bodies if each)
    assert isinstance(body, dict)
    assert (body["prompt"], body["model"], body["stream"], body["progress"]) == (
        "a red circle on a blue background",
        "small",
        True,
        True,
    )


def test_a_stream_that_ends_without_a_picture_is_told(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="broke off"):
        first(tmp_path, STEP, PARTIAL)


def test_an_error_in_the_stream_is_told_in_its_own_words(tmp_path: Path) -> None:
    error = f"data: {json.dumps({'error': {'message': 'out of device memory', 'origin': 'engine'}})}\n\n"
    with pytest.raises(Failure, match="out of device memory"):
        first(tmp_path, STEP, error)


def test_gen_image_writes_a_file_that_tells_prompt_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer, _ = generate("A star, please!")
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "a-star-please-11.png").read_bytes() == PNG
    assert answer.stdout.endswith("a-star-please-11.png\n")
    assert "step 3 of 25" in answer.stdout


def test_gen_image_asks_for_what_it_was_told_and_for_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "pictures" / "x.png"
    told = ("--model", "big", "--size", "512x512", "--steps", "4", "--seed", "0", "--out", str(out))
    answer, proxy = generate("a star", *told)
    assert answer.returncode == 0, answer.stderr
    assert out.read_bytes() == PNG
    assert proxy.bodies == [
        {
            "model": "big",
            "prompt": "a star",
            "size": "512x512",
            "num_inference_steps": 4,
            "seed": 0,
            "progress": True,
            "stream": True,
        }
    ]


def test_a_refused_picture_is_told_with_status_1(tmp_path: Path) -> None:
    refusal = {"GET /admin/models": models_answer(DEFAULT), PATH: error_answer(400, "bad_size", "size is too large")}
    with scripted_proxy(refusal) as proxy:
        answer = roundhouse(proxy.base_url, "gen", "image", "a star", "--out", str(tmp_path / "x.png"))
    assert answer.returncode == 1
    assert "size is too large" in answer.stderr
    assert not (tmp_path / "x.png").exists()


def test_a_file_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match="cannot be written"):
        write(tmp_path / "file" / "x.png", Picture(PNG, None))


@pytest.mark.parametrize(
    ("prompt", "seed", "name"),
    [
        ("A red circle", 7, "a-red-circle-7.png"),
        ("../../etc", None, "etc.png"),
        ("été ☀", 1, "t-1.png"),
        ("☀", 1, "picture-1.png"),
    ],
)
def test_a_files_name_is_of_letters_and_digits(prompt: str, seed: int | None, name: str) -> None:
    assert name_for(prompt, seed) == name


def test_a_terminal_shows_two_rows_of_pixels_in_each_line(tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(png(40, 20, BLUE))
    text = picture_text(file, 10)
    lines = text.plain.splitlines()
    assert (len(lines), {len(line) for line in lines}) == (2, {10})
    (style,) = {str(span.style) for span in text.spans}
    assert style.count("#1414dc") == 2


@pytest.mark.parametrize(
    ("terminal", "colours", "shown"),
    [(True, "truecolor", True), (True, "standard", False), (False, "truecolor", False)],
)
def test_only_a_terminal_with_its_colours_is_shown_a_picture(terminal: bool, colours: str, shown: bool) -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    console = Console(file=output, force_terminal=terminal, color_system=colours, legacy_windows=False)  # type: ignore[arg-type]
    assert can_show(console) is shown
