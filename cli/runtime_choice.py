"""Which stack this machine runs: asked for, remembered, or found out."""

import sys
from pathlib import Path
from typing import get_args

from cli.docker_host import engine_answers
from cli.settings import CliSettings, Runtime

FILE = "runtime"


def choose(settings: CliSettings) -> Runtime:
    """What was asked for; else what the last setup used; else Docker where its engine answers, and on Windows."""
    return settings.runtime or remembered(settings) or _found_out()


def _found_out() -> Runtime:
    return "docker" if sys.platform == "win32" or engine_answers() else "process"


def remembered(settings: CliSettings) -> Runtime | None:
    """What the last setup used, or None."""
    file = _file(settings)
    word = file.read_text().strip() if file.is_file() else ""
    return next((runtime for runtime in get_args(Runtime) if runtime == word), None)


def remember(settings: CliSettings, runtime: Runtime) -> None:
    file = _file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{runtime}\n")


def _file(settings: CliSettings) -> Path:
    return settings.path(settings.run_dir) / FILE
