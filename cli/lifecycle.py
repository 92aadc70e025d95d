"""Setting the stack up and down, whichever kind it is."""

from rich.console import Console
from rich.markup import escape

from cli.ask import QUESTION, ask
from cli.client import Client
from cli.runtime_choice import choose, remember, remembered
from cli.settings import CliSettings
from cli.stack import Stack, stack_of
from cli.steps import Steps


def setup(settings: CliSettings, steps: Steps, client: Client) -> None:
    """Installs what is missing, starts the stack, asks it a question and says how it is used."""
    stack = _chosen(settings, steps)
    stack.prepare(steps)
    stack.up(steps)
    answer = ask(client, settings, steps)
    _show(steps.console, settings, stack, answer)


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


def _show(console: Console, settings: CliSettings, stack: Stack, answer: str) -> None:
    console.print()
    console.print(f"> {QUESTION}", highlight=False)
    console.print(f"[bold]{escape(answer)}[/]", highlight=False)
    _show_address(console, settings, stack)


def _show_address(console: Console, settings: CliSettings, stack: Stack) -> None:
    console.print()
    for name, value in (
        ("page", f"{settings.base_url}/"),
        ("API base", f"{settings.base_url}/v1"),
        ("stop", "./setup.sh down"),
        ("logs", stack.logs),
    ):
        console.print(f"{name:9} {value}", highlight=False, markup=False, soft_wrap=True)
