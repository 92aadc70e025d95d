"""Setting the stack up and down, whichever kind it is."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from cli.ask import QUESTION, ask
from cli.blocks import can_show, picture_text
from cli.client import Client
from cli.pictures import PROMPT, first_picture
from cli.runtime_choice import choose, remember, remembered
from cli.settings import CliSettings
from cli.stack import Stack, stack_of
from cli.steps import Steps


def setup(settings: CliSettings, steps: Steps, client: Client) -> None:
    """Installs what is missing, starts the stack, asks it for a sentence and a picture, and says how it is used."""
    stack = _chosen(settings, steps)
    stack.prepare(steps)
    stack.up(steps)
    answer = ask(client, settings, steps)
    picture = first_picture(client, settings, steps)
    _show_answer(steps.console, answer)
    show_picture(steps.console, PROMPT, picture)
    _show_address(steps.console, settings, stack)


def up(settings: CliSettings, steps: Steps) -> None:
    stack = _chosen(settings, steps)
    stack.up(steps)
    _show_address(steps.console, settings, stack)


def down(settings: CliSettings, steps: Steps) -> None:
    stack_of(choose(settings), settings).down(steps)


def _chosen(settings: CliSettings, steps: Steps) -> Stack:
    """The stack that is meant; one of the other kind that was set up before is ended first: they share the port."""
    runtime, before = choose(settings), remembered(settings)
    if before and before != runtime:
        stack_of(before, settings).down(steps)
    remember(settings, runtime)
    return stack_of(runtime, settings)


def _show_answer(console: Console, answer: str) -> None:
    console.print()
    console.print(f"> {QUESTION}", highlight=False)
    console.print(f"[bold]{escape(answer)}[/]", highlight=False)


def show_picture(console: Console, prompt: str, file: Path) -> None:
    """Says where a picture lies, and shows it in terminals that can."""
    console.print()
    console.print(f"> {prompt}", highlight=False, markup=False)
    if can_show(console):
        console.print(picture_text(file, console.width), end="")
    console.print(str(file), highlight=False, markup=False, soft_wrap=True)


def _show_address(console: Console, settings: CliSettings, stack: Stack) -> None:
    console.print()
    for name, value in (
        ("page", f"{settings.base_url}/"),
        ("API base", f"{settings.base_url}/v1"),
        ("stop", "./setup.sh down"),
        ("logs", stack.logs),
    ):
        console.print(f"{name:9} {value}", highlight=False, markup=False, soft_wrap=True)
