"""What every verb begins with: settings, a console, and the proxy's client."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.client import Client
from cli.failures import Failure
from cli.settings import CliSettings, Runtime

KeyFileOption = Annotated[Path | None, typer.Option(help="A file with the API key, where the proxy asks for one.")]


def settings_for(runtime: Runtime | None = None, key_file: Path | None = None) -> CliSettings:
    """The settings, with what the command line says over them."""
    settings = CliSettings()
    given = {"runtime": runtime, "key_file": key_file}
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None})


def new_console() -> Console:
    return Console()


def client_for(settings: CliSettings) -> Client:
    """The proxy, as the settings name it. Raises Failure."""
    try:
        return Client(settings.base_url, settings.key)
    except OSError as error:
        raise Failure(f"the key file cannot be read: {error}", "Name a readable file with the API key.") from error
