"""What this machine's Docker offers, asked of its command line; the Docker SDK is the manager's alone."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence

from cli.failures import Failure

ANSWER_SECONDS = 20


def output_of(command: Sequence[str], env: Mapping[str, str] | None = None) -> str | None:
    """What a command prints, or None where it fails, hangs or is not there. `env` replaces the environment."""
    try:
        answer = subprocess.run(
            command,
            check=False,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def engine_answers() -> bool:
    """Whether a Docker Engine answers, and not merely a client is installed."""
    return bool(output_of(("docker", "version", "--format", "{{.Server.Version}}")))


def compose_command() -> tuple[str, ...]:
    """`docker compose`, or the older `docker-compose`. Raises Failure where neither is here."""
    if output_of(("docker", "compose", "version")) is not None:
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    remedy = (
        "Install it (Debian, Ubuntu: sudo apt-get install docker-compose; Docker Desktop has it) and run this again."
    )
    raise Failure("Docker answers, but Docker Compose is not here", remedy)


def has_nvidia() -> bool:
    """Whether an NVIDIA GPU and its driver are here."""
    return bool(output_of(("nvidia-smi", "--list-gpus")))


def has_image(image: str) -> bool:
    return output_of(("docker", "image", "inspect", "--format", "{{.Id}}", image)) is not None


def leftovers(kind: str, instance: str) -> tuple[str, ...]:
    """Ids of an instance's containers (`kind` "container") or networks ("network"), running or not."""
    everything = ("--all",) if kind == "container" else ()
    label = f"label=roundhouse.instance={instance}"
    found = output_of(("docker", kind, "ls", *everything, "--quiet", "--filter", label))
    return tuple((found or "").split())
