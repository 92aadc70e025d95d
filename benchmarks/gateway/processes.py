"""Programs under measurement: pinned to cores, with what they cost as the operating system counts it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS, SETTLE_SECONDS = 10.0, 10.0
LOOK_SECONDS, RESTING = 0.2, 0.1  # a program rests that used less than this share of a core


class Program:
    """A process and its children."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    def cpu(self) -> float:
        """Seconds of processor that it has used, in user and kernel mode, children included (/proc/PID/stat)."""
        return sum(sum(each.cpu_times()[:2]) for each in self._tree())

    def resident(self) -> int:
        """Bytes of memory, children included."""
        return sum(each.memory_info().rss for each in self._tree())

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    def wait_for(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Raises RuntimeError with the end of its log where it ends, or is not ready in time."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not serve:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)

    def settle(self) -> None:
        """Wait until it rests: what it was asked last is not to be counted with what it is asked next."""
        deadline = time.monotonic() + SETTLE_SECONDS
        used, rests = self.cpu(), False
        while not rests and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            before, used = used, self.cpu()
            rests = used - before < RESTING * LOOK_SECONDS

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # its own session, see `running`
            self._process.wait()


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    cores: str,
    folder: Path,
    environment: Mapping[str, str],
    *,
    tree: Path = ROOT,
) -> Iterator[Program]:
    """The program on these cores (`0` or `0,1`), its output in a file of the folder; stopped in the end.

    tree: where it is started, and so where a `python -m` finds its modules
    """
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", cores, *command],
            cwd=tree,
            env={**_clean_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    program = Program(name, process, log)
    try:
        yield program
    finally:
        program.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _clean_environment() -> dict[str, str]:
    """Nothing of a stack of Roundhouse's own, and no way to other machines."""
    ours = ("ROUNDHOUSE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(ours)}
