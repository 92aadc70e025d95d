"""Programs of the system that a step needs: found, installed where we may, or named with what to type."""

import os
import shutil

from cli.failures import Failure
from cli.settings import environment
from cli.steps import Step


def ensure_program(step: Step, program: str, package: str, elsewhere: str) -> None:
    """Finds a program; installs Debian's `package` as root on Debian; else raises Failure with what to do.

    `elsewhere` is what people on other systems do.
    """
    if shutil.which(program):
        return
    if not (shutil.which("apt-get") and os.name == "posix" and os.geteuid() == 0):
        remedy = f"Debian, Ubuntu: sudo apt-get install {package}. Elsewhere: {elsewhere}. Then run this again."
        raise Failure(f"{program} is not here", remedy)
    install_packages(step, package)


def install_packages(step: Step, *packages: str) -> None:
    """Installs Debian packages as root."""
    step.say(f"apt-get install {' '.join(packages)}")
    env = environment(DEBIAN_FRONTEND="noninteractive")
    remedy = "Check the network and Debian's package sources, then run this again."
    step.run(("apt-get", "update", "--quiet"), env=env, remedy=remedy)
    command = ("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages)
    step.run(command, env=env, remedy=remedy)
