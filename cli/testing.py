"""`./setup.sh test`: prepares everything that the tests need on a bare machine, runs every check, and tidies up.

It is what CI runs. Each preparation is a timed step that can be run again; pytest's exit status is the verb's.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from cli.docker_host import engine_answers
from cli.engine_env import DIFFUSERS, VLLM, engine_python, prepare_engine
from cli.failures import Failure
from cli.frontend import prepare_page
from cli.model_files import prepare_model_locally
from cli.programs import ensure_program, postgres_path
from cli.pytest_runs import Run, begun, run_together, told
from cli.settings import REPOSITORY, CliSettings
from cli.shapes import prepare_shapes
from cli.steps import Step, Steps

# What the Diffusers engine's Python runs: its server, the training of its models, and the tests inside it.
ENGINE_CODE = (
    "images/diffusers/**/*.py",
    "tests/images/tiny/*.py",
    "tests/images/*/probes/*.py",
    "tests/images/warm/forker.py",
    "benchmarks/diffusers/*.py",
)
HARNESS = "tests.harness.docker_engine"
ENGINES = "tests/integration"
PROXY = "tests/proxy"
# Where the tests of a run are, and what besides the scope their marks have to be.
RUNS: Mapping[str, tuple[tuple[str, ...], str]] = MappingProxyType(
    {
        "proxy": ((PROXY,), ""),
        "engines as processes": ((ENGINES,), " and not docker"),
        "others": (("tests", f"--ignore={ENGINES}", f"--ignore={PROXY}"), ""),
        "engines in containers": ((ENGINES,), " and docker"),
    }
)
SCOPES = {"": "not long", "long": "(long or not long)"}


def run(settings: CliSettings, steps: Steps, scope: str) -> int:
    """pytest's exit status; what failed is the last that is printed. Raises Failure when a step before it does."""
    if scope not in SCOPES:
        raise Failure(f"there is no scope '{scope}'", "Run ./setup.sh test or ./setup.sh test long")
    logs = settings.path(settings.run_dir) / "logs"
    runs = tuple(Run(name, where, SCOPES[scope] + only, logs) for name, (where, only) in RUNS.items())
    proxy, processes, others, containers = runs
    # Each begins as soon as there is what it needs: it takes a quarter of an hour to have all.
    prepare_programs(steps)
    with begun(proxy) as first:
        prepare_engines(settings, steps)
        with begun(processes) as second, _docker(steps):
            check(settings, steps)
            with begun(others) as third:
                code = run_together(containers, (first, second, third))
    print(told(runs), flush=True)
    return code


def prepare_programs(steps: Steps) -> None:
    with steps.step("web page and its type checker") as step:
        prepare_page(step, with_checks=True)
    with steps.step("Chromium") as step:
        ensure_program(step, "chromium", "chromium", "install Chromium, so that `chromium` is on the PATH")
    with steps.step("PostgreSQL") as step:
        remedy = "install PostgreSQL, so that `initdb` is on the PATH"
        ensure_program(step, "initdb", "postgresql", remedy, postgres_path())
    with steps.step("FFmpeg, whose ffprobe reads clips back") as step:
        ensure_program(step, "ffprobe", "ffmpeg", "install FFmpeg, so that `ffprobe` is on the PATH")


def prepare_engines(settings: CliSettings, steps: Steps) -> None:
    with steps.step("vLLM engine for the CPU") as step:
        prepare_engine(step, settings, VLLM)
    with steps.step("Diffusers engine") as step:
        prepare_engine(step, settings, DIFFUSERS)
    with steps.step("model smollm2") as step:
        prepare_model_locally(step, settings)
    with steps.step("models shapes and shapes-motion") as step:
        prepare_shapes(step, settings)


def check(settings: CliSettings, steps: Steps) -> None:
    """ruff and mypy. Raises Failure with what they found."""
    for title, command in (
        ("ruff check", ("ruff", "check", ".")),
        ("ruff format", ("ruff", "format", "--check", ".")),
        ("mypy", ("mypy",)),
        ("mypy of the Diffusers engine", ("mypy", *_engine_mypy(settings))),
    ):
        with steps.step(title) as step:
            step.run((sys.executable, "-m", *command), remedy=f"Mend it, then: .venv/bin/{' '.join(command)}")


def _engine_mypy(settings: CliSettings) -> tuple[str, ...]:
    """Named one by one: the other run leaves these files out."""
    files = sorted(file for pattern in ENGINE_CODE for file in REPOSITORY.glob(pattern))
    return ("--python-executable", engine_python(settings, DIFFUSERS), *map(str, files))


@contextmanager
def _docker(steps: Steps) -> Iterator[None]:
    """A Docker Engine with the built images; one that was not running before is ended afterwards."""
    was_running = engine_answers()
    with steps.step("Docker Engine") as step:
        _harness(step, "up")
    try:
        with steps.step("images of manager, proxy and engines") as step:
            _harness(step, "build")
        yield
    finally:
        if not was_running:
            with steps.step("stop the Docker Engine") as step:
                _harness(step, "down")


def _harness(step: Step, verb: str) -> None:
    remedy = "Install and start Docker, or run this as root on Debian; then run ./setup.sh test again."
    step.run((sys.executable, "-m", HARNESS, verb), remedy=remedy)
