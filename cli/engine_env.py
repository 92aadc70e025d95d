"""The engine's own virtual environment, for the stack without Docker."""

import sys

from cli.settings import CliSettings
from cli.steps import Step


def prepare_engine(step: Step, settings: CliSettings) -> None:
    """vLLM for the CPU into `.engines/vllm`, by images/vllm/install.sh; nothing is done if it matches the lock."""
    target = settings.path(settings.engines_dir) / "vllm"
    target.parent.mkdir(parents=True, exist_ok=True)
    remedy = "Check the network and the free disk space (3 GB), then run ./setup.sh again."
    step.run(("sh", "images/vllm/install.sh", "--python", sys.executable, target), remedy=remedy)


def engine_python(settings: CliSettings) -> str:
    """The Python of that environment."""
    return str(settings.path(settings.engines_dir) / "vllm" / "bin" / "python")
