"""The engines' own virtual environments, for the stack without Docker."""

import sys
from dataclasses import dataclass

from cli.docker_host import has_nvidia
from cli.settings import REPOSITORY, CliSettings
from cli.steps import Step


@dataclass(frozen=True)
class EngineEnvironment:
    """One engine: its name, which its folders under `images/` and under the engines' folder bear."""

    name: str
    options: tuple[str, ...] = ()
    has_cuda: bool = False


VLLM = EngineEnvironment("vllm")
# Its server is our own: the environment finds it in this repository.
DIFFUSERS = EngineEnvironment("diffusers", ("--path", str(REPOSITORY)), has_cuda=True)


def prepare_engine(step: Step, settings: CliSettings, engine: EngineEnvironment) -> None:
    """An engine into `.engines/NAME`, by its install.sh; nothing is done if it matches the lock."""
    target = settings.path(settings.engines_dir) / engine.name
    target.parent.mkdir(parents=True, exist_ok=True)
    device = ("--device", "cuda") if engine.has_cuda and has_nvidia() else ()
    remedy = "Check the network and the free disk space (3 GB; for a GPU 10 GB), then run ./setup.sh again."
    command = ("sh", f"images/{engine.name}/install.sh", "--python", sys.executable, *engine.options, *device, target)
    step.run(command, remedy=remedy)


def engine_python(settings: CliSettings, engine: EngineEnvironment) -> str:
    """The Python of that environment."""
    return str(settings.path(settings.engines_dir) / engine.name / "bin" / "python")
