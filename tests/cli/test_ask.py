"""The closing question of a setup, asked of a scripted proxy."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from cli.ask import ask, default_model
from cli.client import Client
from cli.failures import Failure
from cli.settings import CliSettings
from cli.steps import Steps
from contract.catalogue import ModelType
from contract.states import ModelState
from tests.cli.scripted_proxy import Answer, models_answer, scripted_proxy, status_of

DEFAULT = status_of("small", ModelState.STOPPED, default_for=("text",))
DONE = "data: [DONE]\n\n"


def chunk(text: str) -> str:
    return f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n"


def ask_with(folder: Path, *parts: str) -> tuple[str, str]:
    """The answer and what was printed, for these parts of a stream."""
    output = io.StringIO()
    script = {
        "GET /admin/models": models_answer(DEFAULT),
        "POST /v1/chat/completions": Answer(parts, kind="text/event-stream"),
    }
    with scripted_proxy(script) as proxy:
        steps = Steps(Console(file=output, width=100), folder / "setup.log")
        client = Client(proxy.base_url, None)
        try:
            return ask(client, CliSettings(), steps), output.getvalue()
        finally:
            client.close()


def test_the_answer_is_put_together_and_the_load_is_shown(tmp_path: Path) -> None:
    answer, printed = ask_with(tmp_path, ": starting: loading weights, 5 s\n\n", chunk("Par"), chunk("is."), DONE)
    assert answer == "Paris."
    assert "starting: loading weights, 5 s" in printed
    assert "from small" in printed


def test_an_error_event_is_told_in_its_own_words(tmp_path: Path) -> None:
    error = {"error": {"message": "the engine is gone", "origin": "engine"}}
    with pytest.raises(Failure, match="the engine is gone"):
        ask_with(tmp_path, chunk("Par"), f"data: {json.dumps(error)}\n\n")


def test_a_stream_that_breaks_off_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="broke off"):
        ask_with(tmp_path, chunk("Par"))


def test_an_empty_answer_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="answered nothing"):
        ask_with(tmp_path, DONE)


def test_without_a_default_text_model_the_fix_is_named() -> None:
    with pytest.raises(Failure) as caught:
        default_model([status_of("small", ModelState.STOPPED)], ModelType.TEXT)
    assert '"default_for": "text"' in caught.value.remedy


def test_a_default_model_that_cannot_run_here_is_told_with_its_reason() -> None:
    huge = status_of("huge", ModelState.UNAVAILABLE, default_for=("text",), reason="needs 1 NVIDIA GPU")
    with pytest.raises(Failure, match="needs 1 NVIDIA GPU"):
        default_model([huge], ModelType.TEXT)
