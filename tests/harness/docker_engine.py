"""A Docker Engine with our images, for the tests: on a machine without any, out of Debian's packages alone.

    python -m tests.harness.docker_engine up|down|restart|kill|base|build [--state DIR] [--base IMAGE]

up     uses the Engine that answers; else, as root on Debian, installs one and starts it
base   makes the base image that stands in for the public one
build  builds our images, on the public base where it can be had, else on ours
down   stops the Engine that `up` started, and no other
restart, kill   the same, with SIGTERM or SIGKILL; `restart` and `up` start it again

What the Engine keeps (images, layers, its log) stays in DIR, outside of any checkout: the next `up` finds it again.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.harness import docker_images
from tests.harness.commands import HarnessError, output_of, say

STATE = Path("/var/lib/roundhouse-docker")
START_SECONDS = 60
STOP_SECONDS = 60
# program -> Debian package
PACKAGES = {"dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables", "docker-compose": "docker-compose"}


@dataclass(frozen=True)
class Record:
    """The dockerd that `up` started. The start time tells it from a later process with the same number."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        return started(self.pid) == self.started


def started(pid: int) -> str | None:
    """When a process started, in ticks since boot; None if it is not there (a zombie is not)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def server_version() -> str | None:
    """The version of the Engine that answers, or None."""
    if shutil.which("docker") is None:
        return None
    return output_of("docker", "version", "--format", "{{.Server.Version}}", timeout=20)


def address() -> str:
    """Where the docker client looks for its Engine."""
    return output_of("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}") or ""


def up(state: Path) -> None:
    version = server_version()
    if version is None:
        install()
        # Where a service manager runs, the package has started its own Engine.
        version = server_version() or start(state)
    say(f"Docker Engine {version} answers at {address()}")


def install() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise HarnessError("no Docker Engine answers, and without root on Debian none can be installed: start one")
    docker_images.install_packages(PACKAGES)


def start(state: Path) -> str:
    state.mkdir(parents=True, exist_ok=True)
    for pidfile in (state / "dockerd.pid", state / "exec/containerd/containerd.pid"):
        forget_stale(pidfile)
    say(f"starting dockerd, its state in {state}")
    with (state / "dockerd.log").open("ab") as log:
        process = subprocess.Popen(
            dockerd(state), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    record = Record(process.pid, started(process.pid) or "")
    (state / "record.json").write_text(json.dumps(asdict(record)))
    wait(lambda: process.poll() is not None or server_version() is not None, START_SECONDS)
    version = server_version()
    if version is None:
        raise HarnessError(f"dockerd does not answer; the end of {log.name}:\n{tail(Path(log.name))}")
    return version


def dockerd(state: Path) -> list[str]:
    host = address()
    if not host.startswith("unix://"):
        raise HarnessError(f"no Docker Engine answers at {host}, and one can only be started at a unix socket")
    folders = ("--data-root", f"{state}/data", "--exec-root", f"{state}/exec", "--pidfile", f"{state}/dockerd.pid")
    return ["dockerd", "--host", host, *folders]


def forget_stale(pidfile: Path) -> None:
    """dockerd takes any process with the number in an old file for its own, and waits for it."""
    if not pidfile.exists():
        return
    try:
        pid = int(pidfile.read_text())
        command = Path(f"/proc/{pid}/comm").read_text().strip() if started(pid) is not None else ""
    except (OSError, ValueError):
        command = ""
    if command != pidfile.stem:
        pidfile.unlink()


def ours(state: Path) -> Record | None:
    """The Engine that `up` started, while it lives."""
    file = state / "record.json"
    record = Record(**json.loads(file.read_text())) if file.exists() else None
    return record if record is not None and record.is_alive() else None


def down(state: Path, number: signal.Signals = signal.SIGTERM) -> None:
    record = ours(state)
    if record is None:
        say("no Docker Engine of ours runs")
        return
    os.kill(record.pid, number)
    if not wait(lambda: not record.is_alive(), STOP_SECONDS):
        raise HarnessError(f"dockerd, process {record.pid}, did not end within {STOP_SECONDS} s")
    (state / "record.json").unlink()
    say("the Docker Engine has ended")


def restart(state: Path) -> None:
    if ours(state) is None:
        raise HarnessError("the Docker Engine was not started by `up`, and so is left alone")
    down(state)
    start(state)


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def tail(file: Path) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-15:])


def perform(verb: str, state: Path, base: str | None) -> None:
    verbs: dict[str, Callable[[], None]] = {
        "up": lambda: up(state),
        "down": lambda: down(state),
        "kill": lambda: down(state, signal.SIGKILL),
        "restart": lambda: restart(state),
        "base": docker_images.make_base,
        "build": lambda: docker_images.build_all(base),
    }
    verbs[verb]()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.harness.docker_engine")
    parser.add_argument("verb", choices=("up", "down", "restart", "kill", "base", "build"))
    parser.add_argument("--state", type=Path, default=STATE, help=f"where a started Engine keeps its data ({STATE})")
    parser.add_argument("--base", help="the base image to build on (the public one if it can be had, else ours)")
    args = parser.parse_args()
    try:
        perform(args.verb, args.state.absolute(), args.base)
    except HarnessError as error:
        print(f"{args.verb}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
