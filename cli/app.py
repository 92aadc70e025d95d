"""The `roundhouse` command: its verbs, each a few lines.

`./setup.sh VERB` runs them too; without a verb it runs `setup`.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cli import keys, lifecycle, testing
from cli.ask import default_model
from cli.connect import KeyFileOption, client_for, new_console, settings_for
from cli.failures import Failure
from cli.follow import follow_load, follow_unload
from cli.pictures import draw, name_for, write
from cli.settings import CliSettings, Runtime
from cli.steps import Steps
from cli.views import catalogue_table, device_table, live_line, running_table
from contract.catalogue import ModelType

app = typer.Typer(add_completion=False, no_args_is_help=True, help="One GPU box, a private AI service.")
gen = typer.Typer(no_args_is_help=True, help="Make a picture.")
app.add_typer(gen, name="gen")
app.add_typer(keys.app, name="keys")

RuntimeOption = Annotated[
    Runtime | None, typer.Option(help="Where manager, proxy and engines run; remembered for the next time.")
]
NameArgument = Annotated[str, typer.Argument(help="A model's name, as in models.json.")]


@app.command()
def setup(runtime: RuntimeOption = None) -> None:
    """Install what is missing, start everything, and show a first answer."""
    settings = settings_for(runtime)
    lifecycle.setup(settings, _steps(settings), client_for(settings))


@app.command()
def up(runtime: RuntimeOption = None) -> None:
    """Start manager and proxy; what runs is left running, or replaced when its code or settings changed."""
    settings = settings_for(runtime)
    lifecycle.up(settings, _steps(settings))


@app.command()
def down(runtime: RuntimeOption = None) -> None:
    """Stop everything that was started: proxy, manager and engines."""
    settings = settings_for(runtime)
    lifecycle.down(settings, _steps(settings))


@app.command()
def ps(key_file: KeyFileOption = None) -> None:
    """Engines that are running, asleep, coming or going, and the memory that they take."""
    new_console().print(running_table(client_for(settings_for(key_file=key_file)).models()))


@app.command()
def models(key_file: KeyFileOption = None) -> None:
    """Every model with type, state, and why it cannot run here."""
    new_console().print(catalogue_table(client_for(settings_for(key_file=key_file)).models()))


@app.command()
def devices(key_file: KeyFileOption = None) -> None:
    """GPUs and the host: their memory, what models may have of it, and who has it."""
    new_console().print(device_table(client_for(settings_for(key_file=key_file)).devices()))


@app.command()
def load(name: NameArgument, key_file: KeyFileOption = None) -> None:
    """Load a model and follow it until it is ready."""
    follow_load(client_for(settings_for(key_file=key_file)), name, new_console())


@app.command()
def unload(name: NameArgument, key_file: KeyFileOption = None) -> None:
    """Let a model finish what it is answering, then stop its engine."""
    follow_unload(client_for(settings_for(key_file=key_file)), name, new_console())


@app.command()
def logs(
    name: NameArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the engine writes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000, help="How many lines to begin with.")] = 200,
    key_file: KeyFileOption = None,
) -> None:
    """An engine's log."""
    for text in client_for(settings_for(key_file=key_file)).logs(name, lines, follow):
        sys.stdout.write(text)
        sys.stdout.flush()


@gen.command("image")
def generate_image(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    *,
    model: Annotated[str | None, typer.Option(help="A model's name; none: the default for images.")] = None,
    size: Annotated[str | None, typer.Option(help="Pixels, as 1024x1024; none: the model's own.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="How often it is refined; none: the model's own.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed, the same picture.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file; none: one named by prompt and seed.")] = None,
    key_file: KeyFileOption = None,
) -> None:
    """Make a picture from words and write it to a file."""
    settings = settings_for(key_file=key_file)
    client, console = client_for(settings), new_console()
    wanted = {"prompt": prompt, "size": size, "num_inference_steps": steps, "seed": seed}
    chosen = model or default_model(client.models(), ModelType.IMAGE)
    body: dict[str, object] = {"model": chosen, **{key: value for key, value in wanted.items() if value is not None}}
    with live_line(console, chosen) as say:
        picture = draw(client, body, settings.answer_deadline, say)
    file = out or Path(name_for(prompt, picture.seed))
    write(file, picture)
    lifecycle.show_picture(console, prompt, file)


@app.command("test")
def run_tests(
    scope: Annotated[str, typer.Argument(help="Nothing, or 'long' for the full length.")] = "",
) -> None:
    """Prepare everything and run all checks and tests, as CI does."""
    settings = CliSettings()
    raise typer.Exit(testing.run(settings, _steps(settings), scope))


def _steps(settings: CliSettings) -> Steps:
    return Steps(new_console(), settings.path(settings.run_dir) / "logs" / "setup.log")


def main() -> None:
    """Runs a verb; a Failure is told in words, with status 1."""
    try:
        app()
    except Failure as failure:
        _tell(failure)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output went away, e.g. `| head`
        sys.exit(1)


def _tell(failure: Failure) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for line in failure.log_tail:
        console.print(f"      | {line}", markup=False)
    console.print(f"[red]{escape(failure.cause)}[/]")
    console.print(failure.remedy, markup=False)
