"""Programs of the system that a step needs: found, installed where we may, or named with what to type."""

import os
import shutil
from pathlib import Path

from cli.failures import Failure
from cli.settings import environment
from cli.steps import Step


def ensure_program(step: Step, program: str, package: str, elsewhere: str, path: str | None = None) -> None:
    """Finds a program; installs Debian's `package` as root on Debian; else raises Failure with what to do.

    `elsewhere` is what people on other systems do. `path`: where it is looked for, None: on the PATH.
    """
    if shutil.which(program, path=path):
        return
    if not (shutil.which("apt-get") and os.name == "posix" and os.geteuid() == 0):
        remedy = f"Debian, Ubuntu: sudo apt-get install {package}. Elsewhere: {elsewhere}. Then run this again."
        raise Failure(f"{program} is not here", remedy)
    install_packages(step, package)


def postgres_path() -> str:
    """Where PostgreSQL's programs are looked for: Debian keeps those of a server out of the PATH."""
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: each.parent.name.zfill(4), reverse=True)
    return os.pathsep.join([*map(str, kept), environment().get("PATH", os.defpath)])


def install_packages(step: Step, *packages: str) -> None:
    """Installs Debian packages as root."""
    step.say(f"apt-get install {' '.join(packages)}")
    env = environment(DEBIAN_FRONTEND="noninteractive")
    remedy = "Check the network and Debian's package sources, then run this again."
    step.run(("apt-get", "update", "--quiet"), env=env, remedy=remedy)
    command = ("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages)
    step.run(command, env=env, remedy=remedy)
